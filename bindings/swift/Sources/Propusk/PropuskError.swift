// The errors of the SDK: a case for each reaction of an app.

import Foundation
import PropuskFFI

/// Why an operation failed. Each case needs another reaction. `detail` is an English sentence without
/// secrets, for a log; `localizedDescription` is the same.
public enum PropuskError: Error, Equatable, Sendable {
    /// No user is signed in: show the sign-in.
    case signedOut(reason: SignOutReason, detail: String)
    /// The server refused the request: show the reason and let the user correct it.
    case rejected(Rejection, detail: String)
    /// The server could not be reached, or a proxy answered instead: try again when there is a network.
    /// The user stays signed in.
    case network(detail: String)
    /// The server is busy or has received too many attempts: try again after this time.
    case retryLater(after: TimeInterval, detail: String)
    /// Another sign-in has replaced the one that this request belongs to: nothing was sent for it.
    case otherSignIn(detail: String)
    /// The user or the app cancelled the operation. A cancelled task throws `CancellationError` instead.
    case cancelled(detail: String)
    /// The vault cannot be read or written now. The user stays signed in.
    case storage(VaultState, detail: String)
    /// The API does not have this operation. No request was sent.
    case unsupported(ApiOperation, detail: String)
    /// The server's answer is not part of its API: another version, or the wrong server.
    case `protocol`(detail: String)
    /// Invalid use by the app: for example a bad address or a missing option.
    case usage(detail: String)

    init(_ error: PropuskFFI.PropuskError) {
        switch error {
        case .SignedOut(let reason, let detail): self = .signedOut(reason: reason, detail: detail)
        case .Rejected(let rejection, let detail): self = .rejected(rejection, detail: detail)
        case .Network(let detail): self = .network(detail: detail)
        case .RetryLater(let after, let detail): self = .retryLater(after: after, detail: detail)
        case .OtherSignIn(let detail): self = .otherSignIn(detail: detail)
        case .Cancelled(let detail): self = .cancelled(detail: detail)
        case .Storage(let state, let detail): self = .storage(state, detail: detail)
        case .Unsupported(let operation, let detail): self = .unsupported(operation, detail: detail)
        case .Protocol(let detail): self = .protocol(detail: detail)
        case .Usage(let detail): self = .usage(detail: detail)
        }
    }
}

extension PropuskError: LocalizedError {
    public var errorDescription: String? {
        switch self {
        case .signedOut(_, let detail), .rejected(_, let detail), .network(let detail),
            .retryLater(_, let detail), .otherSignIn(let detail), .cancelled(let detail),
            .storage(_, let detail), .unsupported(_, let detail), .protocol(let detail),
            .usage(let detail):
            return detail
        }
    }
}

/// Runs a call of the SDK that does not wait.
func calling<Value>(_ call: () throws -> Value) throws -> Value {
    do {
        return try call()
    } catch let error as PropuskFFI.PropuskError {
        throw PropuskError(error)
    }
}
