// Access tokens, for HTTP clients other than `Api`.

import PropuskFFI

extension Client {
    /// A valid access token, renewed if necessary. Usually this needs neither network nor disk. It
    /// throws `PropuskError.signedOut`, `.network`, `.retryLater` or `.storage`.
    public func accessToken() async throws -> AccessToken {
        try await cancellable { try await sdk.accessToken(cancellation: $0) }
    }

    /// As `accessToken`, but only for this sign-in: it throws `PropuskError.otherSignIn` after another.
    public func accessToken(for user: SignedInUser) async throws -> AccessToken {
        try await cancellable { try await sdk.accessTokenFor(user: user, cancellation: $0) }
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
