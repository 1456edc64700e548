// The key of a vault in the keychain of iOS and macOS.

#if canImport(Security)
import Foundation
import Security

/// Stores the key of a vault as an item of the keychain, for `Vault.secureStorage`. It can be read
/// after the first unlock since the device was started, is in no backup and on no other device. On macOS
/// the app must be signed with a keychain access group.
public struct KeychainStorage: SecureStorage {
    private let service: String
    private let accessGroup: String?

    /// The name of the item, such as `org.example.app`, and the group if app extensions share it.
    public init(service: String, accessGroup: String? = nil) {
        self.service = service
        self.accessGroup = accessGroup
    }

    public func load() throws -> Data? {
        var query = item
        query[kSecReturnData as String] = true
        var found: CFTypeRef?
        switch SecItemCopyMatching(query as CFDictionary, &found) {
        case errSecSuccess: return found as? Data
        case errSecItemNotFound: return nil
        case let status: throw failure(status)
        }
    }

    public func save(_ key: Data) throws {
        let content: [String: Any] = [
            kSecValueData as String: key,
            kSecAttrAccessible as String: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
        ]
        var status = SecItemUpdate(item as CFDictionary, content as CFDictionary)
        if status == errSecItemNotFound {
            let new = item.merging(content) { $1 }
            status = SecItemAdd(new as CFDictionary, nil)
        }
        guard status == errSecSuccess else { throw failure(status) }
    }

    public func remove() throws {
        let status = SecItemDelete(item as CFDictionary)
        guard status == errSecSuccess || status == errSecItemNotFound else { throw failure(status) }
    }

    private var item: [String: Any] {
        var item: [String: Any] = [
            kSecClass as String: kSecClassGenericPassword,
            kSecAttrService as String: service,
            kSecAttrAccount as String: "vault-key",
            // Otherwise macOS uses a keychain that ignores `kSecAttrAccessible`.
            kSecUseDataProtectionKeychain as String: true,
        ]
        if let accessGroup { item[kSecAttrAccessGroup as String] = accessGroup }
        return item
    }

    /// Before the first unlock, or if the user refuses, the key is not lost.
    private func failure(_ status: OSStatus) -> SecureStorageError {
        let detail = "the keychain answers \(status)"
        switch status {
        case errSecInteractionNotAllowed, errSecAuthFailed, errSecUserCanceled:
            return .locked(detail)
        case errSecNotAvailable, errSecMissingEntitlement: return .noStore(detail)
        default: return .failed(detail)
        }
    }
}
#endif
