// What only the Swift package does: streams of states, requests by URLSession, errors of the app's own
// code, and the time of a call.

import Foundation
import Propusk
import XCTest

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

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

    func test_api_replaces_a_refused_token_once() async throws {
        let world = try await World(self)
        let first = Recorded()
        // FoundationNetworking cannot read a challenge without a parameter.
        let server = try LocalServer {
            let isFirst = first.isFirst($0.headers["authorization"])
            return isFirst || $0.path == "/refused"
                ? "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"api\"" : "200 OK"
        }
        let client = try await world.signedIn(apiOrigins: [server.origin])
        let api = client.api()

        let orders = try await api.data(from: try XCTUnwrap(URL(string: server.origin + "/orders")))
        XCTAssertEqual(orders.1.statusCode, 200)
        let tokens = server.requests.map { $0.headers["authorization"] }
        XCTAssertEqual(tokens.count, 2)
        XCTAssertNotEqual(tokens[0], tokens[1])

        let refused = try await api.data(from: try XCTUnwrap(URL(string: server.origin + "/refused")))
        XCTAssertEqual(refused.1.statusCode, 401)
        XCTAssertEqual(server.requests.count, 4)
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
        var times: [Duration] = []
        for _ in 0..<2_000 {
            let began = ContinuousClock.now
            _ = try await client.status()
            times.append(began.duration(to: .now))
        }
        let median = times.sorted()[times.count / 2]
        print("status: median \(median)")
        XCTAssertLessThan(median, .microseconds(50))
    }
}
