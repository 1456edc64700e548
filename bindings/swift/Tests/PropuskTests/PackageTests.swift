// What only the Swift package does: streams of states, requests by URLSession, errors of the app's own
// code, and the time of a call.

import Foundation
import XCTest

@testable import Propusk

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

private let refresh = "POST /propusk/v1/sessions/refresh"
/// FoundationNetworking cannot read a challenge without a parameter.
private let unauthorized = "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"api\""

final class PackageTests: XCTestCase {
    func test_statuses_end_with_the_task_and_with_the_client() async throws {
        let world = try await World(self)
        var client: Client? = try world.client()
        let statuses = try XCTUnwrap(client?.statuses)

        let cancelled = Task { for await _ in statuses {} }
        cancelled.cancel()
        await cancelled.value

        var ended = try XCTUnwrap(client?.statuses).makeAsyncIterator()
        let first = await ended.next()
        XCTAssertNotNil(first)
        client = nil
        let last = await ended.next()
        XCTAssertNil(last)
    }

    func test_api_replaces_a_refused_token() async throws {
        let world = try await World(self)
        let revoked = Revoked()
        let server = try LocalServer {
            revoked.contains($0.headers["authorization"]) ? unauthorized : "200 OK"
        }
        let client = try await world.signedIn(apiOrigins: [server.origin])
        let api = client.api()
        let orders = try XCTUnwrap(URL(string: server.origin + "/orders"))

        // An endpoint that has accepted a token may refuse it later.
        for renewals in 1...2 {
            revoked.insert(try await client.accessToken())
            let answer = try await api.data(from: orders)
            XCTAssertEqual(answer.1.statusCode, 200)
            let refreshes = try await world.count(refresh)
            XCTAssertEqual(refreshes, renewals)
            XCTAssertEqual(server.requests.count, 2 * renewals)
        }
    }

    func test_api_renews_once_for_an_endpoint_that_keeps_refusing() async throws {
        let world = try await World(self)
        let server = try LocalServer {
            $0.path == "/old" ? "302 Found\r\nLocation: /orders" : unauthorized
        }
        let client = try await world.signedIn(apiOrigins: [server.origin])

        // Also for another `Api`, and after a redirect.
        for (api, path) in [
            (client.api(), "/orders"), (client.api(), "/orders?page=2"), (client.api(), "/old"),
        ] {
            let url = try XCTUnwrap(URL(string: server.origin + path))
            let answer = try await api.data(from: url)
            XCTAssertEqual(answer.1.statusCode, 401)
        }
        let paths = ["/orders", "/orders", "/orders?page=2", "/old", "/orders"]
        XCTAssertEqual(server.requests.map(\.path), paths)
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
    }

    func test_api_replaces_the_token_of_a_stream_without_sending_it_twice() async throws {
        let world = try await World(self)
        let server = try LocalServer { _ in unauthorized }
        let client = try await world.signedIn(apiOrigins: [server.origin])
        let before = try await client.accessToken()
        var request = URLRequest(url: try XCTUnwrap(URL(string: server.origin + "/orders")))
        request.httpMethod = "POST"
        request.httpBodyStream = InputStream(data: Data("green tea".utf8))

        let answer = try await client.api().data(for: request)
        XCTAssertEqual(answer.1.statusCode, 401)
        XCTAssertEqual(server.requests.count, 1)
        let after = try await client.accessToken()
        XCTAssertNotEqual(after.token(), before.token())
    }

    func test_api_sends_no_stream_with_a_token_that_expires_soon() async throws {
        let world = try await World(self)
        let server = try LocalServer { _ in unauthorized }
        let client = try await world.signedIn(apiOrigins: [server.origin])
        let before = try await client.accessToken()
        // The app learns the server's clock by its next answer.
        try await world.advance(871)
        _ = try await client.profile()
        var request = URLRequest(url: try XCTUnwrap(URL(string: server.origin + "/orders")))
        request.httpMethod = "POST"
        request.httpBodyStream = InputStream(data: Data("green tea".utf8))

        _ = try await client.api().data(for: request)
        let sent = try XCTUnwrap(server.requests.first?.headers["authorization"])
        XCTAssertTrue(sent.hasPrefix("Bearer "))
        XCTAssertNotEqual(sent, before.header())
    }

    func test_api_sends_the_token_only_to_its_origins() async throws {
        let world = try await World(self)
        let foreign = try LocalServer { _ in "200 OK" }
        let target = foreign.origin + "/orders"
        let own = try LocalServer {
            $0.path == "/there" ? "200 OK"
                : "302 Found\r\nLocation: \($0.path == "/here" ? "/there" : target)"
        }
        let client = try await world.signedIn(apiOrigins: [own.origin])
        let api = client.api()

        let error = try await failure {
            try await api.data(from: try XCTUnwrap(URL(string: target)))
        }
        guard case .usage = error else { return XCTFail("\(error)") }
        let away = try await api.data(from: try XCTUnwrap(URL(string: own.origin + "/away")))
        XCTAssertEqual(away.1.statusCode, 302)
        XCTAssertEqual(foreign.requests.count, 0)

        let near = try await api.data(from: try XCTUnwrap(URL(string: own.origin + "/here")))
        XCTAssertEqual(near.1.statusCode, 200)
        let header = try await client.accessToken().header()
        XCTAssertEqual(own.requests.map(\.path), ["/away", "/here", "/there"])
        XCTAssertEqual(own.requests.map { $0.headers["authorization"] }, [header, header, header])
    }

    func test_redirect_is_compared_with_the_address_that_redirects() throws {
        let own = try XCTUnwrap(URL(string: "https://id.example.org/orders"))
        let foreign = try XCTUnwrap(URL(string: "https://api.example.com/orders"))
        let session = URLSession(configuration: .ephemeral)
        defer { session.invalidateAndCancel() }
        let response = try XCTUnwrap(
            HTTPURLResponse(url: own, statusCode: 302, httpVersion: nil, headerFields: nil))

        // The task has the new request already, as its current one.
        let task = session.dataTask(with: URLRequest(url: foreign))
        RedirectsWithinOrigin().urlSession(
            session, task: task, willPerformHTTPRedirection: response,
            newRequest: URLRequest(url: foreign)
        ) { XCTAssertNil($0) }
    }

    func test_api_for_a_user_sends_nothing_for_the_next() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let status = try await client.status()
        let api = client.api(for: try XCTUnwrap(status.user))
        try await client.signIn(email, password: password)

        let account = try XCTUnwrap(URL(string: world.server + "/propusk/v1/account"))
        let error = try await failure { try await api.data(from: account) }
        guard case .otherSignIn = error else { return XCTFail("\(error)") }
        let requests = try await world.count("GET /propusk/v1/account")
        XCTAssertEqual(requests, 0)
    }

    func test_api_for_a_user_is_refused_after_another_sign_in() async throws {
        let world = try await World(self)
        let signedInAgain = DispatchGroup()
        signedInAgain.enter()
        let server = try LocalServer { _ in
            signedInAgain.wait()
            return unauthorized
        }
        let client = try await world.signedIn(apiOrigins: [server.origin])
        let status = try await client.status()
        let api = client.api(for: try XCTUnwrap(status.user))
        let orders = try XCTUnwrap(URL(string: server.origin + "/orders"))

        let call = Task { try await api.data(from: orders) }
        for _ in 0..<1_000 where server.requests.isEmpty {
            try await Task.sleep(nanoseconds: 10_000_000)
        }
        try await client.signIn(email, password: password)
        signedInAgain.leave()
        let error = try await failure { try await call.value }
        guard case .otherSignIn = error else { return XCTFail("\(error)") }
        XCTAssertEqual(server.requests.count, 1)
    }

    func test_sign_in_is_cancelled_by_a_cancelled_task() async throws {
        let world = try await World(self)
        let client = try world.client(redirects: [world.redirect])
        let signIn = try await client.beginSignIn(provider: "google")
        let link = try await world.browse(signIn.authorizeUrl())

        let closing = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await client.cancelSignIn(signIn)
        }
        try await closing.value
        let error = try await failure { try await client.completeSignIn(link) }
        guard case .cancelled = error else { return XCTFail("\(error)") }
    }

    func test_error_of_the_app_is_reported_without_its_text() async throws {
        let world = try await World(self)
        let storage = FakeStorage()
        storage.fail(with: AppError())
        let (vault, _) = try vaults(self, storage: storage)

        try await world.register()
        let client = try world.client(vault: vault)
        let stored = try await failure { try await client.signIn(email, password: password) }
        guard case .storage(_, let detail) = stored else { return XCTFail("\(stored)") }
        XCTAssertTrue(detail.contains("AppError"), detail)
        XCTAssertFalse("\(stored)".contains("secret in a text"), "\(stored)")

        let app = try world.client(redirects: [world.redirect])
        let opened = try await failure {
            try await app.signIn(provider: "google", browser: NoBrowser(error: AppError()))
        }
        guard case .usage(let reason) = opened else { return XCTFail("\(opened)") }
        XCTAssertTrue(reason.contains("AppError"), reason)
        XCTAssertFalse("\(opened)".contains("secret in a text"), "\(opened)")
    }

    func test_status_takes_less_than_50_microseconds() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        var times: [UInt64] = []
        for _ in 0..<2_000 {
            let began = DispatchTime.now().uptimeNanoseconds
            _ = try await client.status()
            times.append(DispatchTime.now().uptimeNanoseconds - began)
        }
        let median = Double(times.sorted()[times.count / 2]) / 1_000
        print("status: median \(median) microseconds")
        XCTAssertLessThan(median, 50)
    }
}
