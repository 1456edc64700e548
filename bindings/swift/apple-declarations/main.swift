// Uses `KeychainStorage` with the keychain in memory, and the browser that cannot be shown. It is compiled
// with the files of the package.

import AuthenticationServices
import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

let storage = KeychainStorage(service: "org.example.app")
let shared = KeychainStorage(service: "org.example.app", accessGroup: "group.org.example")

try expect(nil, in: storage)
for key in [Data("first".utf8), Data("second".utf8)] {
    try storage.save(key)
    try expect(key, in: storage)
}
try expect(nil, in: shared)
try storage.remove()
try storage.remove()
try expect(nil, in: storage)

try await signInEndsWithItsBrowser()

/// A link for a sign-in whose browser could not be shown is not redeemed.
@MainActor
func signInEndsWithItsBrowser() async throws {
    let world = try await post("worlds")
    guard let id = world["id"], let server = world["server"] as? String,
        let redirect = world["redirect"] as? String
    else { preconditionFailure("\(world)") }
    let client = try Client(ClientOptions(server: server, redirects: [redirect]))
    do {
        try await client.signIn(provider: "google", in: Window())
        preconditionFailure("there is no browser")
    } catch let error as ASWebAuthenticationSessionError {
        precondition(error.code == .presentationContextInvalid)
    }
    let address = ASWebAuthenticationSession.lastAddress?.absoluteString ?? ""
    let browsed = try await post(
        "worlds/\(id)/browse", ["authorize_url": address, "consent": true])
    guard let link = (browsed["link"] as? String).flatMap(URL.init(string:)) else {
        preconditionFailure("\(browsed)")
    }
    do {
        try await client.completeSignIn(link)
        preconditionFailure("the sign-in has ended")
    } catch PropuskError.cancelled {}
}

/// Asks the fixture.
func post(_ path: String, _ body: [String: Any] = [:]) async throws -> [String: Any] {
    let fixture = ProcessInfo.processInfo.environment["PROPUSK_FIXTURE"] ?? ""
    guard let url = URL(string: "\(fixture)/\(path)") else { preconditionFailure(fixture) }
    var request = URLRequest(url: url)
    request.httpMethod = "POST"
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    request.httpBody = try JSONSerialization.data(withJSONObject: body)
    let (data, _) = try await URLSession.shared.data(for: request)
    return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
}

func expect(_ key: Data?, in storage: KeychainStorage) throws {
    let found = try storage.load()
    precondition(found == key)
}
