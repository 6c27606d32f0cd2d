package import Foundation

/// Has a program that is to be started inherit no descriptor from `first` on. An extension of glibc that its headers show
/// only to who asks for it, which the module of it in Swift does not.
@_silgen_name("posix_spawn_file_actions_addclosefrom_np") @discardableResult
package func addClosing(_ files: UnsafeMutablePointer<posix_spawn_file_actions_t>, _ first: Int32) -> Int32
