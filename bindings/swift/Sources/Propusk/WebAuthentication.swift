// Sign-in with a provider in the browser that iOS and macOS show above the app.

#if canImport(AuthenticationServices)
import AuthenticationServices
import Foundation
import PropuskFFI

extension Client {
    /// Signs in with a provider in an `ASWebAuthenticationSession`. It returns to the first redirect of
    /// the client: a private scheme, or from iOS 17.4 and macOS 14.4 on an `https` link of the app. If
    /// the user closes the browser, it throws `PropuskError.cancelled`.
    @MainActor @discardableResult
    public func signIn(
        provider: String, in window: ASPresentationAnchor, ephemeral: Bool = false
    ) async throws -> LinkOutcome {
        let signIn = try await beginSignIn(provider: provider)
        return try await complete(signIn, in: window, ephemeral: ephemeral)
    }

    /// Links another identity to the signed-in account, as `signIn(provider:in:)`.
    @MainActor @discardableResult
    public func link(
        provider: String, in window: ASPresentationAnchor, ephemeral: Bool = false,
        currentPassword: String? = nil
    ) async throws -> LinkOutcome {
        let signIn = try await beginLink(provider: provider, currentPassword: currentPassword)
        return try await complete(signIn, in: window, ephemeral: ephemeral)
    }

    @MainActor
    private func complete(
        _ signIn: BrowserSignIn, in window: ASPresentationAnchor, ephemeral: Bool
    ) async throws -> LinkOutcome {
        guard let address = URL(string: signIn.authorizeUrl()), let redirect else {
            throw PropuskError.usage(detail: "the client has no redirect")
        }
        let link: URL
        do {
            link = try await WebAuthentication(window)
                .link(from: address, to: redirect, ephemeral: ephemeral)
        } catch let error as ASWebAuthenticationSessionError where error.code == .canceledLogin {
            try await cancelSignIn(signIn)
            try Task.checkCancellation()
            throw PropuskError.cancelled(detail: "the user closed the browser")
        } catch {
            // No link will come. If the vault fails too, the browser's error says more, and the sign-in
            // expires.
            try? await cancelSignIn(signIn)
            throw error
        }
        return try await completeSignIn(link)
    }
}

/// One `ASWebAuthenticationSession`, which the cancellation of the task closes.
@MainActor
private final class WebAuthentication: NSObject, ASWebAuthenticationPresentationContextProviding {
    private let window: ASPresentationAnchor
    private var session: ASWebAuthenticationSession?
    private var waiting: CheckedContinuation<URL, any Error>?

    init(_ window: ASPresentationAnchor) {
        self.window = window
    }

    func link(from address: URL, to redirect: URL, ephemeral: Bool) async throws -> URL {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiting = continuation
                start(from: address, to: redirect, ephemeral: ephemeral)
            }
        } onCancel: {
            Task { @MainActor in
                self.session?.cancel()
                self.finish(.failure(ASWebAuthenticationSessionError(.canceledLogin)))
            }
        }
    }

    private func start(from address: URL, to redirect: URL, ephemeral: Bool) {
        let completion = { (link: URL?, error: (any Error)?) in
            let result = link.map(Result.success) ?? .failure(error ?? URLError(.unknown))
            Task { @MainActor in self.finish(result) }
        }
        let session: ASWebAuthenticationSession
        if redirect.scheme == "https", let host = redirect.host,
            #available(iOS 17.4, macOS 14.4, *)
        {
            session = ASWebAuthenticationSession(
                url: address, callback: .https(host: host, path: redirect.path),
                completionHandler: completion)
        } else {
            session = ASWebAuthenticationSession(
                url: address, callbackURLScheme: redirect.scheme, completionHandler: completion)
        }
        session.presentationContextProvider = self
        session.prefersEphemeralWebBrowserSession = ephemeral
        self.session = session
        if !session.start() {
            finish(.failure(ASWebAuthenticationSessionError(.presentationContextInvalid)))
        }
    }

    /// Only the first result counts: the user may close a browser that is being cancelled.
    private func finish(_ result: Result<URL, any Error>) {
        waiting?.resume(with: result)
        waiting = nil
    }

    func presentationAnchor(for session: ASWebAuthenticationSession) -> ASPresentationAnchor {
        window
    }
}
#endif
