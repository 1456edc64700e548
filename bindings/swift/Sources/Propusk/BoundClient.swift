// Operations for one sign-in only.

import PropuskFFI

/// Operations of a `Client` for one sign-in only; see `Client.bound(to:)`. Each throws
/// `PropuskError.otherSignIn` after another sign-in has replaced this one, in this process or another:
/// then nothing is sent.
public final class BoundClient: Sendable {
    let sdk: PropuskFFI.BoundClient

    init(_ sdk: PropuskFFI.BoundClient) {
        self.sdk = sdk
    }

    /// As `Client.profile`.
    public func profile() async throws -> Profile {
        try await cancellable { try await sdk.profile(cancellation: $0) }
    }

    /// As `Client.updateProfile`.
    @discardableResult
    public func updateProfile(
        email: ProfileChange = .keep, phone: ProfileChange = .keep,
        username: ProfileChange = .keep, displayName: ProfileChange = .keep,
        currentPassword: String? = nil
    ) async throws -> Profile {
        let changes = ProfileChanges(
            email: email, phone: phone, username: username, displayName: displayName)
        return try await cancellable {
            try await sdk.updateProfile(
                changes: changes, currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// As `Client.changePassword`.
    public func changePassword(from currentPassword: String?, to newPassword: String) async throws {
        try await cancellable {
            try await sdk.changePassword(
                currentPassword: currentPassword, newPassword: newPassword, cancellation: $0)
        }
    }

    /// As `Client.deleteAccount`.
    public func deleteAccount(currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.deleteAccount(currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// As `Client.exportAccount`.
    public func exportAccount(currentPassword: String? = nil) async throws -> String {
        try await cancellable {
            try await sdk.exportAccount(currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// As `Client.accountEvents`.
    public func accountEvents(before: String? = nil) async throws -> AccountEvents {
        try await cancellable { try await sdk.accountEvents(before: before, cancellation: $0) }
    }

    /// As `Client.sessions`.
    public func sessions() async throws -> [Session] {
        try await cancellable { try await sdk.sessions(cancellation: $0) }
    }

    /// As `Client.endSession`.
    public func endSession(id: Session.ID, currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.endSession(
                id: id, currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// As `Client.endOtherSessions`.
    public func endOtherSessions(currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.endOtherSessions(currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// As `Client.identities`.
    public func identities() async throws -> [Identity] {
        try await cancellable { try await sdk.identities(cancellation: $0) }
    }

    /// As `Client.beginLink`. Pass the returned link to `Client.completeSignIn`.
    public func beginLink(
        provider: String, currentPassword: String? = nil
    ) async throws -> BrowserSignIn {
        try await cancellable {
            try await sdk.beginLink(
                provider: provider, currentPassword: currentPassword, cancellation: $0)
        }
    }

    /// As `Client.unlink`.
    public func unlink(_ identity: Identity, currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.unlink(
                provider: identity.provider, subject: identity.subject,
                currentPassword: currentPassword, cancellation: $0)
        }
    }
}

extension Client {
    /// Operations for this sign-in only: a dialog that one user has opened does not change or delete the
    /// account of the next one. It throws `PropuskError.otherSignIn` if this sign-in is not the current
    /// one.
    public func bound(to user: SignedInUser) async throws -> BoundClient {
        BoundClient(
            try await cancellable { try await sdk.forUser(user: user, cancellation: $0) })
    }
}
