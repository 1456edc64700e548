// Sessions and identities of the account.

import PropuskFFI

extension Client {
    /// The sessions of the account, the newest first.
    public func sessions() async throws -> [Session] {
        try await cancellable { try await sdk.sessions(cancellation: $0) }
    }

    /// Ends another session of the account.
    public func endSession(id: Session.ID, currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.endSession(
                id: id, currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// Ends all other sessions of the account.
    public func endOtherSessions(currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.endOtherSessions(currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// The identities at providers with which the account signs in.
    public func identities() async throws -> [Identity] {
        try await cancellable { try await sdk.identities(cancellation: $0) }
    }

    /// Removes an identity from the account. It throws `PropuskError.rejected` with the code
    /// `nothing_to_sign_in_by` for the last way to sign in.
    public func unlink(_ identity: Identity, currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.unlink(
                provider: identity.provider, subject: identity.subject,
                currentPassword: currentPassword, cancellation: $0)
        }
    }
}
