// What the app's own code provides to the SDK: a store for the key of a vault, and a browser.

import Foundation
import PropuskFFI

/// Stores the 32 bytes of a vault's key, for `Vault.secureStorage`. The calls may block and may show a
/// dialog: they run on a thread of their own, one at a time. Any error means that the store cannot be used
/// now; the user stays signed in.
public protocol SecureStorage: Sendable {
    /// The key. `nil` only if the store is certain to have none: the session is then lost.
    func load() throws -> Data?

    /// Saves the key and replaces the previous one.
    func save(_ key: Data) throws

    /// Removes the key, if there is one.
    func remove() throws
}

/// Why a store cannot load or save a key. The text is for a log and must not contain the key. Of other
/// errors only the type is reported, because their text may contain a secret.
public enum SecureStorageError: Error, Equatable, Sendable {
    /// It is locked or the user refused: it may work later.
    case locked(String)
    /// The system has no such store.
    case noStore(String)
    /// Any other reason.
    case failed(String)
}

/// Opens the system's browser; a web view of the app must not be used.
public protocol Browser: Sendable {
    /// Opens this address, and returns without waiting for the user. `CancellationError` ends the sign-in
    /// as cancelled.
    func open(_ url: URL) throws
}

extension Vault {
    /// A file whose key is in a store that the app provides, such as `KeychainStorage`. `timeout` limits
    /// how long to wait for the store.
    public static func secureStorage(
        path: String, storage: any SecureStorage, timeout: TimeInterval = 10
    ) -> Vault {
        .secureStorage(path: path, storage: StorageOfApp(storage), timeout: timeout)
    }
}

/// The app's storage as the SDK calls it.
private final class StorageOfApp: PropuskFFI.SecureStorage {
    private let storage: any SecureStorage

    init(_ storage: any SecureStorage) {
        self.storage = storage
    }

    func load() throws -> Data? {
        try translated { try storage.load() }
    }

    func save(key: Data) throws {
        try translated { try storage.save(key) }
    }

    func remove() throws {
        try translated { try storage.remove() }
    }

    private func translated<Value>(_ call: () throws -> Value) throws -> Value {
        do {
            return try call()
        } catch SecureStorageError.locked(let detail) {
            throw PropuskFFI.SecureStorageError.Locked(detail: detail)
        } catch SecureStorageError.noStore(let detail) {
            throw PropuskFFI.SecureStorageError.NoStore(detail: detail)
        } catch SecureStorageError.failed(let detail) {
            throw PropuskFFI.SecureStorageError.Failed(detail: detail)
        } catch {
            throw PropuskFFI.SecureStorageError.Failed(detail: typeInWords(error))
        }
    }
}

/// The app's browser as the SDK calls it.
final class BrowserOfApp: PropuskFFI.Browser {
    private let browser: any Browser

    init(_ browser: any Browser) {
        self.browser = browser
    }

    func openUrl(url: String) throws {
        guard let address = URL(string: url) else {
            throw CallbackError.Failed(detail: "the server's address is not a URL")
        }
        do {
            try browser.open(address)
        } catch is CancellationError {
            throw CallbackError.Cancelled
        } catch {
            throw CallbackError.Failed(detail: typeInWords(error))
        }
    }
}

private func typeInWords(_ error: any Error) -> String {
    "the app's own code threw \(type(of: error))"
}
