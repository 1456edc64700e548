// Requests of the app with its access token, over URLSession.

import Foundation
import PropuskFFI

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

extension Client {
    /// Sends the app's requests with its access token, to the origin of the server and to those of
    /// `ClientOptions.apiOrigins`. With a user, only while this sign-in is the current one.
    /// Answers are not cached.
    public func api(
        for user: SignedInUser? = nil, configuration: URLSessionConfiguration = .default
    ) -> Api {
        Api(client: self, user: user, configuration: configuration)
    }
}

/// Sends requests with the access token. After a 401 the token is replaced and the request is sent once
/// more; an endpoint that keeps refusing causes one renewal a minute. Redirects are followed only within
/// an origin, so that the token does not reach another one.
public final class Api: Sendable {
    private let client: Client
    private let user: SignedInUser?
    private let session: URLSession

    init(client: Client, user: SignedInUser?, configuration: URLSessionConfiguration) {
        self.client = client
        self.user = user
        let own = configuration.copy() as? URLSessionConfiguration ?? configuration
        // A cache knows addresses, not users: it would give the answers of one to another.
        own.urlCache = nil
        session = URLSession(
            configuration: own, delegate: RedirectsWithinOrigin(), delegateQueue: nil)
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
        guard let url = request.url, client.isAllowedOrigin(url) else {
            throw PropuskError.usage(
                detail: "the access token must not be sent to this origin; see apiOrigins")
        }
        // A stream cannot be sent twice.
        let isStream = request.httpBodyStream != nil
        let token = try await currentToken(fresh: isStream)
        let refused = try await answer(to: request, with: token, by: transport)
        guard refused.1.statusCode == 401 else { return refused }
        let next = try await client.tokenAfterRefusal(url: refused.1.url ?? url, refused: token)
        // It throws `otherSignIn` if another sign-in has replaced that of the request.
        if user != nil { _ = try await currentToken() }
        guard let next, !isStream else { return refused }
        return try await answer(to: request, with: next, by: transport)
    }

    private func currentToken(fresh: Bool = false) async throws -> AccessToken {
        guard let user else { return try await client.accessToken(fresh: fresh) }
        return try await client.accessToken(for: user, fresh: fresh)
    }

    private func answer(
        to request: URLRequest, with token: AccessToken,
        by transport: (URLRequest) async throws -> (Data, URLResponse)
    ) async throws -> (Data, HTTPURLResponse) {
        var request = request
        request.setValue(token.header(), forHTTPHeaderField: authorization)
        let (data, response) = try await transport(request)
        guard let response = response as? HTTPURLResponse else {
            throw URLError(.badServerResponse)
        }
        if 200..<300 ~= response.statusCode, let url = response.url ?? request.url {
            client.noteAccepted(url: url)
        }
        return (data, response)
    }
}

private let authorization = "Authorization"

/// Returns a redirect to another origin to the app instead of following it.
final class RedirectsWithinOrigin: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(
        _ session: URLSession, task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        // The current request of the task may be the new one already.
        guard let origin = response.url?.origin, origin == request.url?.origin else {
            return completionHandler(nil)
        }
        var next = request
        // Some systems remove it from every redirect.
        next.setValue(
            task.originalRequest?.value(forHTTPHeaderField: authorization),
            forHTTPHeaderField: authorization)
        completionHandler(next)
    }
}

extension URL {
    fileprivate var origin: String? {
        guard let scheme = scheme?.lowercased(), let host = host?.lowercased() else { return nil }
        return "\(scheme)://\(host):\(port ?? (scheme == "https" ? 443 : 80))"
    }
}
