// What `WebAuthentication` uses of Apple's module AuthenticationServices, declared for a type check on
// Linux.

import Foundation

@MainActor open class Window: NSObject {}
public typealias ASPresentationAnchor = Window

@MainActor public protocol ASWebAuthenticationPresentationContextProviding: NSObjectProtocol {
    func presentationAnchor(for session: ASWebAuthenticationSession) -> ASPresentationAnchor
}

public struct ASWebAuthenticationSessionError: Error {
    public enum Code: Int {
        case canceledLogin = 1
        case presentationContextNotProvided, presentationContextInvalid
    }

    public let code: Code

    public init(_ code: Code, userInfo: [String: Any] = [:]) {
        self.code = code
    }
}

open class ASWebAuthenticationSession: NSObject {
    public typealias CompletionHandler = (URL?, (any Error)?) -> Void

    public struct Callback {
        public static func https(host: String, path: String) -> Callback { Callback() }
    }

    /// The address that the last session was to open.
    public static var lastAddress: URL?

    public init(
        url URL: URL, callbackURLScheme: String?, completionHandler: @escaping CompletionHandler
    ) {
        Self.lastAddress = URL
    }

    public init(url URL: URL, callback: Callback, completionHandler: @escaping CompletionHandler) {
        Self.lastAddress = URL
    }

    @MainActor public weak var presentationContextProvider:
        (any ASWebAuthenticationPresentationContextProviding)?
    public var prefersEphemeralWebBrowserSession = false
    /// As if the window were not shown.
    open func start() -> Bool { false }
    open func cancel() {}
}
