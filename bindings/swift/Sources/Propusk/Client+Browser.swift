// Sign-in with a provider through the browser: in one call, or in steps.

import Foundation
import PropuskFFI

extension Client {
    /// The providers of the server.
    public func providers() async throws -> [Provider] {
        try await cancellable { try await sdk.providers(cancellation: $0) }
    }

    /// Signs in with a provider in one call: opens the browser, and waits for the link that comes back.
    /// With a loopback redirect this listens on a port of this machine. With another one it waits until
    /// the app passes the link to `completeSignIn`; both calls get the result.
    @discardableResult
    public func signIn(
        provider: String, browser: any Browser, within limit: TimeInterval = 600
    ) async throws -> LinkOutcome {
        try await cancellable {
            try await sdk.signInWithProvider(
                provider: provider, browser: BrowserOfApp(browser), limit: limit, cancellation: $0)
        }
    }

    /// Links another identity to the signed-in account in one call, as `signIn(provider:browser:)`.
    @discardableResult
    public func link(
        provider: String, browser: any Browser, within limit: TimeInterval = 600,
        currentPassword: String? = nil
    ) async throws -> LinkOutcome {
        try await cancellable {
            try await sdk.linkWithProvider(
                provider: provider, browser: BrowserOfApp(browser), limit: limit,
                currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// Starts a sign-in that returns to the client's first redirect. Open its `authorizeUrl` in the
    /// system's browser, and pass the returned link to `completeSignIn`.
    public func beginSignIn(provider: String) async throws -> BrowserSignIn {
        try await cancellable { try await sdk.beginSignIn(provider: provider, cancellation: $0) }
    }

    /// Starts linking another identity to the signed-in account.
    public func beginLink(
        provider: String, currentPassword: String? = nil
    ) async throws -> BrowserSignIn {
        try await cancellable {
            try await sdk.beginLink(
                provider: provider, currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// Completes a sign-in with a link that the system has delivered, at the start or while the app
    /// runs: in `onOpenURL`, or in `scene(_:openURLContexts:)` and `scene(_:willConnectTo:options:)`. A
    /// link that does not belong to a sign-in causes no request.
    @discardableResult
    public func completeSignIn(_ link: URL) async throws -> LinkOutcome {
        try await cancellable {
            try await sdk.completeSignIn(link: link.absoluteString, cancellation: $0)
        }
    }

    /// Cancels a sign-in whose browser the user has closed. It is completed even if the task is
    /// cancelled.
    public func cancelSignIn(_ signIn: BrowserSignIn) async throws {
        try await cancellable { _ in
            try await sdk.cancelSignIn(state: signIn.state(), cancellation: nil)
        }
    }
}
