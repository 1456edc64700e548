// Accounts: register, sign in, sign out, passwords.

import Foundation
import PropuskFFI

extension Client {
    /// Creates an account. It does not sign in. It throws `PropuskError.rejected` with the problem of
    /// each field.
    public func register(
        _ registration: Registration, password: String
    ) async throws -> Registered {
        try await cancellable {
            try await sdk.register(
                registration: registration, password: password, cancellation: $0)
        }
    }

    /// Confirms the e-mail address of a new account with the contents of the mailed link.
    public func activate(_ link: MailedLink) async throws {
        try await cancellable { try await sdk.activate(link: link, cancellation: $0) }
    }

    /// Sends the activation mail again.
    public func resendActivation(email: String) async throws {
        try await cancellable { try await sdk.resendActivation(email: email, cancellation: $0) }
    }

    /// Signs in with a password. The previous session is ended. It throws `PropuskError.rejected` with
    /// the code `invalid_credentials` or `account_inactive`.
    public func signIn(_ identifier: String, password: String) async throws {
        try await cancellable {
            try await sdk.signIn(identifier: identifier, password: password, cancellation: $0)
        }
    }

    /// Signs in with an access token that a provider, such as `google`, has issued to the app.
    public func signIn(provider: String, token: String) async throws {
        try await cancellable {
            try await sdk.signInWithProviderToken(
                provider: provider, token: token, cancellation: $0)
        }
    }

    /// Adopts tokens that the app kept before it used this SDK: a pair, a refresh token alone, or in
    /// `access` an API token. When it returns, the tokens are in the vault: delete the old store then.
    /// No network is needed. It throws `PropuskError.otherSignIn` while a user is signed in.
    @discardableResult
    public func adopt(
        access: String? = nil, refresh: String? = nil, accessExpiresAt: Date? = nil
    ) async throws -> Adoption {
        try await cancellable {
            try await sdk.adopt(
                access: access, refresh: refresh, accessExpiresAt: accessExpiresAt,
                cancellation: $0)
        }
    }

    /// Signs out. It takes effect as soon as the vault is written, with or without a network. Then the
    /// server is informed, for at most 5 s.
    @discardableResult
    public func signOut() async throws -> SignOut {
        try await cancellable { try await sdk.signOut(cancellation: $0) }
    }

    /// Asks the server whether the access token is valid. The session does not change.
    public func verify() async throws -> Bool {
        try await cancellable { try await sdk.verify(cancellation: $0) }
    }

    /// Fetches the account and stores it for `cachedProfile`.
    public func profile() async throws -> Profile {
        try await cancellable { try await sdk.profile(cancellation: $0) }
    }

    /// The account as it was last fetched, without a request. `nil` if it was never fetched.
    public func cachedProfile() async throws -> Profile? {
        try await cancellable { try await sdk.cachedProfile(cancellation: $0) }
    }

    /// Changes the account, for example with `displayName: .set(value: "Anna")`. A changed e-mail address
    /// is not verified. A change of identifiers needs the current password or a sign-in within the last
    /// five minutes.
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

    /// Sends a mail with a link that resets the password. Success does not mean that the account
    /// exists.
    public func requestReset(email: String) async throws {
        try await cancellable { try await sdk.requestReset(email: email, cancellation: $0) }
    }

    /// Resets the password with the contents of the mailed link.
    public func confirmReset(_ link: MailedLink, newPassword: String) async throws {
        try await cancellable {
            try await sdk.confirmReset(link: link, newPassword: newPassword, cancellation: $0)
        }
    }

    /// Changes the password. On the native API the current one may be `nil` within five minutes after
    /// a sign-in.
    public func changePassword(from currentPassword: String?, to newPassword: String) async throws {
        try await cancellable {
            try await sdk.changePassword(
                currentPassword: currentPassword, newPassword: newPassword, cancellation: $0)
        }
    }

    /// Removes everything that the vault contains, in whatever state it is: for a "start over" button.
    /// A session that can be read is ended at the server first.
    public func forgetEverything() async throws {
        try await cancellable { try await sdk.forgetEverything(cancellation: $0) }
    }

    /// Deletes the account and its session.
    public func deleteAccount(currentPassword: String? = nil) async throws {
        try await cancellable {
            try await sdk.deleteAccount(currentPassword: currentPassword, cancellation: $0)
        }
    }
}
