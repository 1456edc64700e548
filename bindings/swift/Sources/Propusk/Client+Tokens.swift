// Access tokens, for HTTP clients other than `Api`.

import Foundation
import PropuskFFI

extension Client {
    /// A valid access token, renewed if necessary. Usually this needs neither network nor disk. It
    /// throws `PropuskError.signedOut`, `.network`, `.retryLater` or `.storage`. With `fresh`, a token
    /// that expires soon is renewed first, if that is possible now: within 60 to 90 s, or closer to its
    /// end if it is valid for less than ten minutes. It is for a request whose body cannot be sent twice.
    public func accessToken(fresh: Bool = false) async throws -> AccessToken {
        try await cancellable { try await sdk.accessToken(fresh: fresh, cancellation: $0) }
    }

    /// As `accessToken`, but only for this sign-in: it throws `PropuskError.otherSignIn` after another.
    public func accessToken(
        for user: SignedInUser, fresh: Bool = false
    ) async throws -> AccessToken {
        try await cancellable {
            try await sdk.accessTokenFor(user: user, fresh: fresh, cancellation: $0)
        }
    }

    /// Whether the access token may be sent to this address: the server's own origin and
    /// `ClientOptions.apiOrigins`. Ask before the token is attached to a request.
    public func isAllowedOrigin(_ url: URL) -> Bool {
        sdk.isAllowedOrigin(url: url.absoluteString)
    }

    /// Another access token of the same sign-in, after this address has answered 401 to this one. Send
    /// the request once more with it. `nil` if another token would not help: return the 401 then. An
    /// endpoint that keeps refusing causes one renewal a minute.
    public func tokenAfterRefusal(url: URL, refused: AccessToken) async throws -> AccessToken? {
        try await cancellable {
            try await sdk.tokenAfterRefusal(
                url: url.absoluteString, refused: refused, cancellation: $0)
        }
    }

    /// Reports that this address has answered a request with the token, and not with an error. A later
    /// refusal by this address causes a renewal at once.
    public func noteAccepted(url: URL) {
        sdk.noteAccepted(url: url.absoluteString)
    }

    /// Another access token, after a server has refused this one. Callers with the same refused token
    /// share one renewal. If the new token is refused too, do not ask again.
    public func replaceAccessToken(_ refused: AccessToken) async throws -> AccessToken {
        try await cancellable {
            try await sdk.replaceAccessToken(refused: refused, cancellation: $0)
        }
    }

    /// Renews the access token even if it is still valid.
    public func refresh() async throws {
        try await cancellable { try await sdk.refresh(cancellation: $0) }
    }
}
