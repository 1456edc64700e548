// What a test sees of the fixture: a server of its own with mailboxes, providers and a network that can
// fail. The fixture's address is in the variable PROPUSK_FIXTURE.

import Foundation
import Propusk
import XCTest

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

let password = "correct horse battery staple"

struct World: Sendable {
    let server: String
    let redirect: String
    let loopback: String
    private let id: String

    /// A new world, which ends with the test.
    init(_ test: XCTestCase) async throws {
        let about = try await post("worlds")
        id = try XCTUnwrap(about["id"] as? String)
        server = try XCTUnwrap(about["server"] as? String)
        redirect = try XCTUnwrap(about["redirect"] as? String)
        loopback = try XCTUnwrap(about["loopback"] as? String)
        let world = self
        test.addTeardownBlock { try await world.act("close") }
    }

    func client(
        vault: Vault = .memory(), dialect: Dialect = .native, redirects: [String] = [],
        apiOrigins: [String] = []
    ) throws -> Client {
        try Client(
            ClientOptions(
                server: server, dialect: dialect, vault: vault, redirects: redirects,
                apiOrigins: apiOrigins))
    }

    /// A client with a signed-in user.
    func signedIn(
        _ email: String = "anna@example.org", vault: Vault = .memory(), apiOrigins: [String] = []
    ) async throws -> Client {
        let client = try client(vault: vault, apiOrigins: apiOrigins)
        _ = try await client.register(Registration(email: email), password: password)
        try await client.signIn(email, password: password)
        return client
    }

    /// The link in the newest mail to this address.
    func mailedLink(to email: String) async throws -> URL {
        let link = try await act("mail", ["email": email])["link"] as? String
        return try XCTUnwrap(link.flatMap(URL.init(string:)))
    }

    func network(up: Bool) async throws {
        try await act("network", ["up": up])
    }

    /// While requests are held, they reach the network and wait there.
    func hold(_ held: Bool) async throws {
        try await act("hold", ["held": held])
    }

    /// Returns once such a request has reached the network.
    func arrived(_ request: String) async throws {
        try await act("arrived", ["request": request])
    }

    func count(_ request: String) async throws -> Int {
        let count = try await act("count", ["request": request])["count"] as? Int
        return try XCTUnwrap(count)
    }

    /// The next such request gets this answer instead of the server's.
    func answer(
        _ request: String, status: Int, headers: [String: String] = [:], body: String = ""
    ) async throws {
        try await act(
            "answer", ["request": request, "status": status, "headers": headers, "body": body])
    }

    /// Moves the server's clock: the access tokens that it has issued have expired then.
    func expireAccessTokens() async throws {
        try await act("clock", ["advance": 901])
    }

    /// Acts as the browser and its user, and returns the link that opens the app at the end.
    @discardableResult
    func browse(_ authorizeUrl: String, consent: Bool = true) async throws -> URL {
        let body: [String: Any] = ["authorize_url": authorizeUrl, "consent": consent]
        let link = try await act("browse", body)["link"] as? String
        return try XCTUnwrap(link.flatMap(URL.init(string:)))
    }

    func providerToken(_ provider: String, login: String) async throws -> String {
        let body = ["provider": provider, "login": login]
        let token = try await act("provider-token", body)["token"] as? String
        return try XCTUnwrap(token)
    }

    @discardableResult
    private func act(_ action: String, _ body: [String: Any] = [:]) async throws -> [String: Any] {
        try await post("worlds/\(id)/\(action)", body)
    }
}

private func post(_ path: String, _ body: [String: Any] = [:]) async throws -> [String: Any] {
    let fixture = try XCTUnwrap(
        ProcessInfo.processInfo.environment["PROPUSK_FIXTURE"], "run bindings/swift/test")
    return try await postJSON(try XCTUnwrap(URL(string: "\(fixture)/\(path)")), body)
}

/// Posts a JSON object, without the SDK, and returns the one in the answer.
func postJSON(_ url: URL, _ body: [String: Any]) async throws -> [String: Any] {
    var request = URLRequest(url: url)
    request.httpMethod = "POST"
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    request.httpBody = try JSONSerialization.data(withJSONObject: body)
    let (data, response) = try await URLSession.shared.data(for: request)
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    guard 200..<300 ~= status else {
        throw UnexpectedAnswer(text: "\(url.path): \(status) \(String(decoding: data, as: UTF8.self))")
    }
    return try XCTUnwrap(try JSONSerialization.jsonObject(with: data) as? [String: Any])
}

struct UnexpectedAnswer: Error {
    let text: String
}

/// The error of a call that has to fail.
func failure<Value>(
    of call: () async throws -> Value, file: StaticString = #filePath, line: UInt = #line
) async throws -> PropuskError {
    do {
        _ = try await call()
    } catch let error as PropuskError {
        return error
    }
    return try XCTUnwrap(nil, "the call has not failed", file: file, line: line)
}

/// A new folder, which is deleted with the test.
func folder(_ test: XCTestCase) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    test.addTeardownBlock { try FileManager.default.removeItem(at: folder) }
    return folder
}
