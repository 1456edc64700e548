// What a device has, for tests: a store for the key of a vault, browsers, and errors of the app.

import Foundation
import Propusk

import protocol PropuskFFI.SessionListener

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

    func save(_ key: Data) throws {
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

/// A browser whose user answers at once. The link that returns is passed to the app.
struct FakeBrowser: Browser {
    private let world: World
    private let consent: Bool
    private let app: Client?

    init(_ world: World, consent: Bool = true, returnsTo app: Client? = nil) {
        self.world = world
        self.consent = consent
        self.app = app
    }

    func open(_ url: URL) {
        // The call that waits for the link gets the same result.
        Task { [world, consent, app] in
            let link = try await world.browse(url.absoluteString, consent: consent)
            try await app?.completeSignIn(link)
        }
    }
}

/// A browser that fails.
struct NoBrowser: Browser {
    let error: any Error

    func open(_ url: URL) throws {
        throw error
    }
}

/// A listener below `statuses`: it reports each phase, and fails then if it has an error.
final class PhaseListener: SessionListener {
    private let report: AsyncStream<Phase>.Continuation
    private let error: (any Error)?

    init(_ report: AsyncStream<Phase>.Continuation, error: (any Error)? = nil) {
        self.report = report
        self.error = error
    }

    func onStatus(status: Status) throws {
        report.yield(status.phase)
        if let error { throw error }
    }
}

/// An error of the app that has a secret in its text.
struct AppError: Error, CustomStringConvertible {
    let description = "secret in a text"
}

/// The tokens that an API does not accept any more.
final class Revoked: @unchecked Sendable {
    private let lock = NSLock()
    private var headers: Set<String> = []

    func insert(_ token: AccessToken) {
        lock.withLock { _ = headers.insert(token.header()) }
    }

    func contains(_ header: String?) -> Bool {
        lock.withLock { header.map(headers.contains) ?? false }
    }
}
