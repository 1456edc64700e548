// The values of the SDK under the names that apps use, and what Swift expects of them.

import Foundation
import PropuskFFI

public typealias AccessToken = PropuskFFI.AccessToken
public typealias AccountEvent = PropuskFFI.AccountEvent
public typealias AccountEvents = PropuskFFI.AccountEvents
public typealias Adoption = PropuskFFI.Adoption
public typealias ApiOperation = PropuskFFI.ApiOperation
public typealias BrowserSignIn = PropuskFFI.BrowserSignIn
public typealias ClientOptions = PropuskFFI.ClientOptions
public typealias DeepLink = PropuskFFI.DeepLink
public typealias Dialect = PropuskFFI.Dialect
public typealias FieldProblem = PropuskFFI.FieldProblem
public typealias Identity = PropuskFFI.Identity
public typealias LinkOutcome = PropuskFFI.LinkOutcome
public typealias LinkProblem = PropuskFFI.LinkProblem
public typealias MailedLink = PropuskFFI.MailedLink
public typealias OfflineIdentity = PropuskFFI.OfflineIdentity
public typealias Phase = PropuskFFI.Phase
public typealias Profile = PropuskFFI.Profile
public typealias ProfileChange = PropuskFFI.ProfileChange
public typealias Provider = PropuskFFI.Provider
public typealias Registered = PropuskFFI.Registered
public typealias Registration = PropuskFFI.Registration
public typealias Rejection = PropuskFFI.Rejection
public typealias Secret = PropuskFFI.Secret
public typealias Session = PropuskFFI.Session
public typealias SignedInUser = PropuskFFI.SignedInUser
public typealias SignOut = PropuskFFI.SignOut
public typealias SignOutReason = PropuskFFI.SignOutReason
public typealias Status = PropuskFFI.Status
public typealias StatusChange = PropuskFFI.StatusChange
public typealias Trust = PropuskFFI.Trust
public typealias Vault = PropuskFFI.Vault
public typealias VaultState = PropuskFFI.VaultState

extension Session: Identifiable {}

extension Provider: Identifiable {
    public var id: String { name }
}

extension Identity: Identifiable {
    public var id: String { "\(provider) \(subject)" }
}

extension Status {
    /// Whether a user is signed in, also without a network.
    public var isSignedIn: Bool {
        switch phase {
        case .signedIn, .refreshing, .offline: return true
        case .signedOut, .unknown: return false
        }
    }
}

extension Secret {
    /// Wraps a text that is never printed.
    public convenience init(_ text: String) {
        self.init(text: text)
    }
}

extension Vault {
    /// 32 random bytes, for `Vault.file`.
    public static func generateKey() throws -> Data {
        try calling(generateVaultKey)
    }
}

extension MailedLink {
    /// Reads a mailed link that was opened in the app. `nil` if it is not one.
    public static func parse(_ link: URL) -> MailedLink? {
        parseMailedLink(link: link.absoluteString)
    }
}

extension DeepLink {
    /// Reads a link from any source, without sending or storing anything.
    public static func parse(_ link: URL, redirects: [String]) throws -> DeepLink {
        try calling { try parseDeepLink(link: link.absoluteString, redirects: redirects) }
    }
}
