// Sessions, events, export and identities of the account.

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

    /// What has happened to the account, the newest first, in pages. The first page is without `before`,
    /// each further one with the `next` of the page before.
    public func accountEvents(before: String? = nil) async throws -> AccountEvents {
        try await cancellable { try await sdk.accountEvents(before: before, cancellation: $0) }
    }

    /// Everything that the server keeps of the account, except secrets, as one JSON text, for a file of
    /// the user. It needs the current password or a sign-in within the last five minutes, and the owner
    /// gets a mail. It may have many MiB of personal data, which is not stored.
    public func exportAccount(currentPassword: String? = nil) async throws -> String {
        try await cancellable {
            try await sdk.exportAccount(currentPassword: currentPassword, cancellation: $0)
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
