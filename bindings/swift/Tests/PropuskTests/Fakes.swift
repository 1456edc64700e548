// What a device has, for tests: a store for the key of a vault, browsers, and errors of the app.

import Foundation
import Propusk

/// A store that can be locked.
final class FakeStorage: SecureStorage, @unchecked Sendable {
    private let lock = NSLock()
    private var key: Data?
    private var failure: (any Error)?

    /// Every use fails with this error, until it is `nil`.
    func fail(with error: (any Error)?) {
        lock.withLock { failure = error }
    }

    func load() throws -> Data? {
        try lock.withLock {
            if let failure { throw failure }
            return key
        }
    }

    func save(key: Data) throws {
        try lock.withLock {
            if let failure { throw failure }
            self.key = key
        }
    }

    func remove() throws {
        try lock.withLock {
            if let failure { throw failure }
            key = nil
        }
    }
}

/// A browser whose user gives consent at the provider. The link that returns is passed to the app.
final class FakeBrowser: Browser {
    private let world: World
    private let app: @Sendable (URL) async throws -> Void

    init(_ world: World, returnsTo app: @escaping @Sendable (URL) async throws -> Void = { _ in }) {
        self.world = world
        self.app = app
    }

    func openUrl(url: String) {
        Task { [world, app] in try await app(world.browse(url)) }
    }
}

/// A browser that fails.
final class NoBrowser: Browser {
    private let error: any Error

    init(_ error: any Error) {
        self.error = error
    }

    func openUrl(url: String) throws {
        throw error
    }
}

/// An error of the app that has a secret in its text.
struct AppError: Error, CustomStringConvertible {
    let description = "secret in a text"
}
