// The client of an app. Each operation calls the SDK; files by subject have the rest.

import Foundation
import PropuskFFI

/// Signs in at one server and keeps the session. Create one for each server and vault, and share it.
///
/// Errors are `PropuskError`, or `CancellationError` if the task was cancelled.
public final class Client: Sendable {
    let sdk: PropuskFFI.Client
    /// Where a browser returns to.
    let redirect: URL?

    /// Builds a client. It reads nothing and sends nothing. It throws `PropuskError.usage` for an
    /// invalid address, redirect, certificate or proxy.
    public init(_ options: ClientOptions) throws {
        sdk = try calling { try PropuskFFI.Client(options: options) }
        redirect = options.redirects.first.flatMap(URL.init(string:))
    }

    /// Whether the API of the server has the operation.
    public func supports(_ operation: ApiOperation) -> Bool {
        sdk.supports(operation: operation)
    }

    /// Whether a user is signed in, and which one. It reads the vault if needed and does not wait for
    /// the network. It throws `PropuskError.storage` while the vault cannot be read: the user is then
    /// not signed out.
    public func status() async throws -> Status {
        if let known = sdk.knownStatus() { return known }
        return try await cancellable { try await sdk.status(cancellation: $0) }
    }

    /// The status now, and after each change. Every use is a sequence of its own. It ends when the
    /// client is released; a consumer that is slower than the changes gets the newest.
    public var statuses: AsyncStream<Status> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let watch = sdk.watch(listener: StatusSource(continuation))
            continuation.onTermination = { _ in watch.stop() }
        }
    }

    /// The signed-in user, and whether the app may trust that without a request, if it trusts the
    /// last answer of the server for this time.
    public func offlineIdentity(trustedFor limit: TimeInterval) async throws -> OfflineIdentity {
        try await cancellable { try await sdk.offlineIdentity(trustedFor: limit, cancellation: $0) }
    }

    /// The state of the vault.
    public func vaultState() async throws -> VaultState {
        try await cancellable { try await sdk.vaultState(cancellation: $0) }
    }

    /// Reports that the network has changed or is available again. Whatever waits for the server is
    /// retried at once.
    public func networkChanged() {
        sdk.networkChanged()
    }

    /// Waits until all background work is done. Returns whether all of it was done within the limit.
    /// Call it before a process or an app extension ends.
    @discardableResult
    public func finishPendingWork(within limit: TimeInterval) async throws -> Bool {
        try await cancellable { try await sdk.finishPendingWork(limit: limit, cancellation: $0) }
    }
}

/// Passes the status on to a stream, and ends it when the SDK calls no more.
private final class StatusSource: SessionListener {
    private let continuation: AsyncStream<Status>.Continuation

    init(_ continuation: AsyncStream<Status>.Continuation) {
        self.continuation = continuation
    }

    deinit {
        continuation.finish()
    }

    func onStatus(status: Status) {
        continuation.yield(status)
    }
}
