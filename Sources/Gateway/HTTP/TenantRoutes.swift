import Directory
import Hummingbird
import JSONText
import Ordering
import Wire

/// Tenants and their API keys over HTTP, for operators.
struct TenantRoutes: RecordRoutes {
  let directory: Directory
  let authority: Authority

  func add(to router: Router<GatewayContext>) {
    router.get("v1/tenants") { request, context in
      try await answer(request, context) { call in
        try call.requireOperator()
        let page = try await directory.tenants(size: try call.pageSize(), after: try call.pageToken())
        return Self.list("tenants", page) { $0.tenant($1) }
      }
    }
    let base = "v1/tenants/{tenant}"
    router.get("\(base)") { request, context in
      try await answer(request, context) { call in
        try call.requireOperator()
        let tenant = try await directory.tenant(call.tenant)
        return Self.entity(tenant.version) { $0.tenant(tenant) }
      }
    }
    router.put("\(base)") { request, context in
      try await answer(request, context) { call in
        try call.requireOperator()
        let asked = try TenantRequest(try await call.body())
        let (tenant, isNew) = try await directory.putTenant(call.tenant, name: asked.name, seen: try call.seen())
        return Self.entity(tenant.version, status: isNew ? .created : .ok) { $0.tenant(tenant) }
      }
    }
    keys(router, "\(base)/keys")
  }

  private func keys(_ router: Router<GatewayContext>, _ base: String) {
    router.post("\(base)") { request, context in
      try await answer(request, context) { call in
        try call.requireOperator()
        let asked = try KeyRequest(try await call.body())
        let (key, text) = try await directory.issueKey(call.tenant, label: asked.label, expiresAt: asked.expiresAt)
        var writer = JSONWriter()
        writer.apiKey(key, text: text.text)
        return Response(json: writer.bytes, status: .created)
      }
    }
    router.get("\(base)") { request, context in
      try await answer(request, context) { call in
        try call.requireOperator()
        let page = try await directory.keys(of: call.tenant, size: try call.pageSize(), after: try call.pageToken())
        return Self.list("keys", page) { $0.apiKey($1) }
      }
    }
    router.delete("\(base)/{key}") { request, context in
      try await answer(request, context) { call in
        try call.requireOperator()
        let key = try await directory.revokeKey(call.tenant, call.parameter("key"))
        authority.forget(key.id)
        var writer = JSONWriter()
        writer.apiKey(key)
        return Response(json: writer.bytes)
      }
    }
  }
}

extension RecordCall {
  /// Tenants do not manage their own keys: whoever stole one could make others.
  fileprivate func requireOperator() throws(Problem) {
    guard caller.isOperator else { throw .forbidden }
  }
}
