// What a test sees of the fixture: a server of its own with mailboxes, providers and a network that can
// fail. The fixture's address is in the variable PROPUSK_FIXTURE.

import Foundation
import Propusk
import XCTest

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

let email = "anna@example.org"
let password = "a quiet harbour at noon"

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

    /// A new account, which can sign in.
    func register(_ email: String = email) async throws {
        _ = try await client().register(Registration(email: email), password: password)
    }

    /// A client with a signed-in user, of a new account.
    func signedIn(
        _ email: String = email, vault: Vault = .memory(), apiOrigins: [String] = []
    ) async throws -> Client {
        try await register(email)
        let client = try client(vault: vault, apiOrigins: apiOrigins)
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

    /// Returns once the app has closed the connection of such a held request.
    func dropped(_ request: String) async throws {
        try await act("dropped", ["request": request])
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
        try await advance(901)
    }

    func advance(_ seconds: Int) async throws {
        try await act("clock", ["advance": seconds])
    }

    /// Acts as the browser and its user, and returns the link that opens the app at the end.
    @discardableResult
    func browse(_ authorizeUrl: String, consent: Bool = true) async throws -> URL {
        let body: [String: Any] = ["authorize_url": authorizeUrl, "consent": consent]
        let link = try await act("browse", body)["link"] as? String
        return try XCTUnwrap(link.flatMap(URL.init(string:)))
    }

    /// Access and refresh token of `djoserJwt`, as an app without the SDK has kept them.
    func tokens() async throws -> (access: String, refresh: String) {
        let tokens = try await act("tokens", ["email": email, "password": password])
        return (
            try XCTUnwrap(tokens["access"] as? String), try XCTUnwrap(tokens["refresh"] as? String)
        )
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
    var request = URLRequest(url: try XCTUnwrap(URL(string: "\(fixture)/\(path)")))
    request.httpMethod = "POST"
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    request.httpBody = try JSONSerialization.data(withJSONObject: body)
    let (data, response) = try await URLSession.shared.data(for: request)
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    guard 200..<300 ~= status else {
        throw UnexpectedAnswer(text: "\(path): \(status) \(String(decoding: data, as: UTF8.self))")
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

/// A vault in a new folder, which is deleted with the test, and another object for the same file: two
/// starts of an app.
func vaults(
    _ test: XCTestCase, storage: any SecureStorage = FakeStorage()
) throws -> (Vault, Vault) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    test.addTeardownBlock { try FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("app.vault").path
    return (
        .secureStorage(path: path, storage: storage), .secureStorage(path: path, storage: storage)
    )
}
