// Requests of the app with its access token, over URLSession.

import Foundation
import PropuskFFI

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

extension Client {
    /// Sends the app's requests with its access token, to the origin of the server and to those of
    /// `ClientOptions.apiOrigins`. With a user, only while this sign-in is the current one.
    public func api(
        for user: SignedInUser? = nil, configuration: URLSessionConfiguration = .default
    ) -> Api {
        Api(client: self, user: user, configuration: configuration)
    }
}

/// Sends requests with the access token. After a 401 the token is replaced and the request is sent once
/// more. Redirects are followed only within an origin, so that the token does not reach another one.
public final class Api: Sendable {
    private let client: Client
    private let user: SignedInUser?
    private let session: URLSession

    init(client: Client, user: SignedInUser?, configuration: URLSessionConfiguration) {
        self.client = client
        self.user = user
        session = URLSession(
            configuration: configuration, delegate: RedirectsWithinOrigin(), delegateQueue: nil)
    }

    deinit {
        session.finishTasksAndInvalidate()
    }

    /// Sends a request and returns the answer, whatever its status. It throws `PropuskError` if no
    /// token can be had now or if the token must not be sent to this address, and `URLError` if the
    /// request fails.
    public func data(for request: URLRequest) async throws -> (Data, HTTPURLResponse) {
        try await send(request) { [session] in try await session.data(for: $0) }
    }

    /// Sends a `GET` request.
    public func data(from url: URL) async throws -> (Data, HTTPURLResponse) {
        try await data(for: URLRequest(url: url))
    }

    /// Sends a request whose body is in a file.
    public func upload(
        for request: URLRequest, fromFile file: URL
    ) async throws -> (Data, HTTPURLResponse) {
        try await send(request) { [session] in try await session.upload(for: $0, fromFile: file) }
    }

    private func send(
        _ request: URLRequest,
        by transport: (URLRequest) async throws -> (Data, URLResponse)
    ) async throws -> (Data, HTTPURLResponse) {
        guard let url = request.url, client.sdk.isAllowedOrigin(url: url.absoluteString) else {
            throw PropuskError.usage(
                detail: "the access token must not be sent to this origin; see apiOrigins")
        }
        let token = try await currentToken()
        let refused = try await http(transport(request.authorized(by: token)))
        guard refused.1.statusCode == 401 else { return refused }
        let next = try await client.replaceAccessToken(token)
        // A stream cannot be sent twice.
        guard next.token() != token.token(), request.httpBodyStream == nil else { return refused }
        return try await http(transport(request.authorized(by: next)))
    }

    private func currentToken() async throws -> AccessToken {
        guard let user else { return try await client.accessToken() }
        return try await client.accessToken(for: user)
    }
}

extension URLRequest {
    fileprivate func authorized(by token: AccessToken) -> URLRequest {
        var request = self
        request.setValue(token.header(), forHTTPHeaderField: "Authorization")
        return request
    }
}

/// The answer to a request over HTTP, which those to an allowed origin are.
private func http(_ answer: (Data, URLResponse)) throws -> (Data, HTTPURLResponse) {
    guard let response = answer.1 as? HTTPURLResponse else { throw URLError(.badServerResponse) }
    return (answer.0, response)
}

/// Returns a redirect to another origin to the app instead of following it.
private final class RedirectsWithinOrigin: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(
        _ session: URLSession, task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        guard let previous = task.currentRequest ?? task.originalRequest,
            previous.url?.origin == request.url?.origin
        else { return completionHandler(nil) }
        var next = request
        // Some systems remove it from every redirect.
        next.setValue(
            previous.value(forHTTPHeaderField: "Authorization"), forHTTPHeaderField: "Authorization")
        completionHandler(next)
    }
}

extension URL {
    fileprivate var origin: String? {
        guard let scheme = scheme?.lowercased(), let host = host?.lowercased() else { return nil }
        return "\(scheme)://\(host):\(port ?? (scheme == "https" ? 443 : 80))"
    }
}
