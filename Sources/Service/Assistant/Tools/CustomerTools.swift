import Directory
import JSONText
import Ordering

extension Tool {
  /// Its name, description and parameters are a contract: agents were written for them.
  static let captureCustomerInfo = Tool(
    "capture_customer_info", title: "Capture customer information", "Store customer information when provided...",
    parameters: [
      Parameter("name", .text(), "Customer full name", isRequired: true),
      Parameter(
        "phone", .phone(), "Phone number as string of exactly 10 digits (e.g., \"9876543210\")", isRequired: true),
      Parameter("email", .text(most: 300), "Customer email address (optional)"),
      Parameter(
        "deliveryAddress",
        .object(
          ["street", "apartment", "city", "state", "pincode", "landmark"].map { Parameter($0, .text()) }),
        "Delivery address details (optional)"),
    ],
    answers: [
      Parameter("customer", .object([])), Parameter("customerId", .text()), Parameter("isNewCustomer", .flag),
      Parameter("phoneReadBack", .text(most: 400), "The phone number, to be read back digit by digit"),
    ],
    effect: .changes
  ) { call in
    let name = call.required(call.text("name"), "name")
    let phone = call.required(try call.phone("phone"), "phone")
    let (customer, isNew) = try await call.directory.upsertCustomer(
      call.tenant, phone,
      CustomerChange(
        name: name, email: call.text("email"),
        deliveryAddress: call.arguments["deliveryAddress"].flatMap { Address($0) }))
    let noted = OrderState.Customer(
      name: customer.name, phone: phone, email: customer.email, deliveryAddress: customer.deliveryAddress,
      confirmedAt: call.services.now())
    return ToolOutcome(
      .done("saved", "Customer info saved: \(customer.name)") { writer in
        writer.key("customer")
        writer.customer(noted)
        writer.field("customerId", customer.id)
        writer.field("isNewCustomer", isNew)
        writer.field("phoneReadBack", phone.readBack)
      }, .customer(noted))
  }
}
