// What `KeychainStorage` uses of Apple's module Security, declared for the tests on Linux: a keychain in
// memory.

public typealias CFDictionary = [String: Any]
public typealias CFTypeRef = AnyObject
public typealias OSStatus = Int32

public let errSecSuccess: OSStatus = 0
public let errSecUserCanceled: OSStatus = -128
public let errSecNotAvailable: OSStatus = -25291
public let errSecAuthFailed: OSStatus = -25293
public let errSecDuplicateItem: OSStatus = -25299
public let errSecItemNotFound: OSStatus = -25300
public let errSecInteractionNotAllowed: OSStatus = -25308
public let errSecMissingEntitlement: OSStatus = -34018

public let kSecAttrAccessGroup = "agrp"
public let kSecAttrAccessible = "pdmn"
public let kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly = "cku"
public let kSecAttrAccount = "acct"
public let kSecAttrService = "svce"
public let kSecClass = "class"
public let kSecClassGenericPassword = "genp"
public let kSecReturnData = "r_Data"
public let kSecUseDataProtectionKeychain = "u_DataProtectionKeychain"
public let kSecValueData = "v_Data"

private var items: [String: CFDictionary] = [:]

/// Which item is meant. `nil` for one in the keychain file of macOS, which this is not.
private func key(_ query: CFDictionary) -> String? {
    guard query[kSecUseDataProtectionKeychain] as? Bool == true else { return nil }
    let names = [kSecClass, kSecAttrService, kSecAttrAccount, kSecAttrAccessGroup]
    return names.map { "\(query[$0] ?? "")" }.joined(separator: " ")
}

public func SecItemAdd(
    _ attributes: CFDictionary, _ result: UnsafeMutablePointer<CFTypeRef?>?
) -> OSStatus {
    guard let key = key(attributes) else { return errSecNotAvailable }
    guard items[key] == nil else { return errSecDuplicateItem }
    items[key] = attributes
    return errSecSuccess
}

public func SecItemCopyMatching(
    _ query: CFDictionary, _ result: UnsafeMutablePointer<CFTypeRef?>?
) -> OSStatus {
    guard let key = key(query) else { return errSecNotAvailable }
    guard let item = items[key] else { return errSecItemNotFound }
    if query[kSecReturnData] as? Bool == true { result?.pointee = item[kSecValueData] as AnyObject }
    return errSecSuccess
}

public func SecItemDelete(_ query: CFDictionary) -> OSStatus {
    guard let key = key(query) else { return errSecNotAvailable }
    return items.removeValue(forKey: key) == nil ? errSecItemNotFound : errSecSuccess
}

public func SecItemUpdate(_ query: CFDictionary, _ attributes: CFDictionary) -> OSStatus {
    guard let key = key(query) else { return errSecNotAvailable }
    guard let item = items[key] else { return errSecItemNotFound }
    items[key] = item.merging(attributes) { $1 }
    return errSecSuccess
}
