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

/// Reports each phase, and fails then.
final class FailingListener: SessionListener {
    private let report: AsyncStream<Phase>.Continuation

    init(_ report: AsyncStream<Phase>.Continuation) {
        self.report = report
    }

    func onStatus(status: Status) throws {
        report.yield(status.phase)
        throw AppError()
    }
}

/// An error of the app that has a secret in its text.
struct AppError: Error, CustomStringConvertible {
    let description = "secret in a text"
}

/// Recognises the first value that it has seen.
final class Recorded: @unchecked Sendable {
    private let lock = NSLock()
    private var first: String??

    func isFirst(_ value: String?) -> Bool {
        lock.withLock {
            if first == nil { first = .some(value) }
            return first == .some(value)
        }
    }
}
