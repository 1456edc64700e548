// The behavioural suite of all bindings: the cases are listed in bindings/README.md.

import Foundation
import Propusk
import XCTest

final class SuiteTests: XCTestCase {
    func test_register_creates_an_account() async throws {
        let world = try await World(self)
        let client = try world.client()

        let registered = try await client.register(
            Registration(email: "anna@example.org"), password: password)
        XCTAssertEqual(registered, .active)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedOut(reason: .neverSignedIn))

        try await client.signIn("anna@example.org", password: password)
        let profile = try await client.profile()
        XCTAssertEqual(profile.email, "anna@example.org")
    }

    func test_activate_needs_the_mailed_link() async throws {
        let world = try await World(self)
        let client = try world.client(dialect: .djoserToken)

        let registered = try await client.register(
            Registration(email: "anna@example.org"), password: password)
        XCTAssertEqual(registered, .activationRequired)
        let refusal = try await failure {
            try await client.signIn("anna@example.org", password: password)
        }
        guard case .rejected = refusal else { return XCTFail("\(refusal)") }

        let link = try await world.mailedLink(to: "anna@example.org")
        try await client.activate(try XCTUnwrap(MailedLink.parse(link)))
        try await client.signIn("anna@example.org", password: password)
    }

    func test_sign_in_is_kept_in_the_vault() async throws {
        let world = try await World(self)
        let folder = try folder(self)
        let vault = Vault.secureStorage(
            path: folder.appendingPathComponent("vault").path, storage: FakeStorage())
        let first = try await world.signedIn(vault: vault)
        let user = try await first.status().user

        let second = try world.client(vault: vault)
        let status = try await second.status()
        XCTAssertEqual(status.phase, .signedIn)
        XCTAssertNotNil(status.user)
        XCTAssertEqual(status.user, user)
    }

    func test_adopt_takes_over_tokens() async throws {
        let world = try await World(self)
        _ = try await world.client().register(
            Registration(email: "anna@example.org"), password: password)
        let session = try await postJSON(
            try XCTUnwrap(URL(string: world.server + "/propusk/v1/sessions")),
            ["identifier": "anna@example.org", "password": password])
        let access = try XCTUnwrap(session["access_token"] as? String)
        let refresh = try XCTUnwrap(session["refresh_token"] as? String)

        let client = try world.client()
        let first = try await client.adopt(access: access, refresh: refresh)
        XCTAssertEqual(first, .adopted)
        let profile = try await client.profile()
        XCTAssertEqual(profile.email, "anna@example.org")
        let second = try await client.adopt(access: access, refresh: refresh)
        XCTAssertEqual(second, .alreadyAdopted)
    }

    func test_refresh_happens_by_itself() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let token = try await client.accessToken().token()

        try await world.expireAccessTokens()
        _ = try await client.profile()
        let next = try await client.accessToken().token()
        XCTAssertNotEqual(next, token)
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
    }

    func test_offline_keeps_the_user_signed_in() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let profile = try await client.profile()

        try await world.network(up: false)
        let error = try await failure { try await client.refresh() }
        guard case .network = error else { return XCTFail("\(error)") }
        let status = try await client.status()
        XCTAssertTrue(status.isSignedIn)
        let cached = try await client.cachedProfile()
        XCTAssertEqual(cached, profile)
        let identity = try await client.offlineIdentity(trustedFor: 3_600)
        XCTAssertEqual(identity.trust, .fresh)

        try await world.network(up: true)
        client.networkChanged()
        try await client.refresh()
        let after = try await client.status()
        XCTAssertEqual(after.phase, .signedIn)
    }

    func test_sign_out_takes_effect_at_once_and_reaches_the_server_later() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()

        try await world.network(up: false)
        let pending = try await client.signOut()
        XCTAssertEqual(pending, .pending)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedOut(reason: .signedOut))

        try await world.network(up: true)
        client.networkChanged()
        let isDone = try await client.finishPendingWork(within: 10)
        XCTAssertTrue(isDone)

        try await client.signIn("anna@example.org", password: password)
        let sessions = try await client.sessions()
        XCTAssertEqual(sessions.map(\.current), [true])
        let confirmed = try await client.signOut()
        XCTAssertEqual(confirmed, .confirmed)
    }

    func test_provider_sign_in_at_a_loopback_port() async throws {
        let world = try await World(self)
        let client = try world.client(redirects: [world.loopback])

        let outcome = try await client.signIn(provider: "google", browser: FakeBrowser(world))
        XCTAssertEqual(outcome, .signedIn)
        let identities = try await client.identities()
        XCTAssertEqual(identities.map(\.provider), ["google"])
    }

    func test_provider_sign_in_by_a_deep_link() async throws {
        let world = try await World(self)
        let client = try world.client(redirects: [world.redirect])
        let browser = FakeBrowser(world) { link in
            let outcome = try await client.completeSignIn(link)
            XCTAssertEqual(outcome, .signedIn)
        }

        let outcome = try await client.signIn(provider: "google", browser: browser)
        XCTAssertEqual(outcome, .signedIn)
    }

    func test_provider_token_signs_in() async throws {
        let world = try await World(self)
        let client = try world.client(dialect: .djoserToken)
        let token = try await world.providerToken("google", login: "greta")

        try await client.signIn(provider: "google", token: token)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedIn)
    }

    func test_deep_link_starts_the_app_again() async throws {
        let world = try await World(self)
        let path = try folder(self).appendingPathComponent("vault").path
        let vault = Vault.secureStorage(path: path, storage: FakeStorage())
        let address = try await world.client(vault: vault, redirects: [world.redirect])
            .beginSignIn(provider: "google").authorizeUrl()
        let link = try await world.browse(address)

        let client = try world.client(vault: vault, redirects: [world.redirect])
        let unrelated = try await client.completeSignIn(
            try XCTUnwrap(URL(string: "org.example.app:/settings")))
        XCTAssertEqual(unrelated, .unrelated)
        let first = try await client.completeSignIn(link)
        XCTAssertEqual(first, .signedIn)
        let second = try await client.completeSignIn(link)
        XCTAssertEqual(second, .alreadyCompleted)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedIn)
    }

    func test_locked_storage_does_not_sign_out() async throws {
        let world = try await World(self)
        let path = try folder(self).appendingPathComponent("vault").path
        let storage = FakeStorage()
        _ = try await world.signedIn(vault: .secureStorage(path: path, storage: storage))

        storage.fail(with: SecureStorageError.Locked(detail: "the device is locked"))
        let client = try world.client(vault: .secureStorage(path: path, storage: storage))
        let error = try await failure { try await client.status() }
        guard case .storage(.locked, let detail) = error else { return XCTFail("\(error)") }
        XCTAssertTrue(detail.contains("the device is locked"), detail)

        storage.fail(with: nil)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedIn)
    }

    func test_vault_of_another_server_is_not_used() async throws {
        let world = try await World(self)
        let other = try await World(self)
        let path = try folder(self).appendingPathComponent("vault").path
        let storage = FakeStorage()
        _ = try await world.signedIn(vault: .secureStorage(path: path, storage: storage))

        let client = try other.client(vault: .secureStorage(path: path, storage: storage))
        let error = try await failure { try await client.accessToken() }
        guard case .storage(.otherServer, _) = error else { return XCTFail("\(error)") }
        let state = try await client.vaultState()
        XCTAssertEqual(state, .otherServer)
        let refreshes = try await other.count(refresh)
        XCTAssertEqual(refreshes, 0)
    }

    func test_errors_have_kinds_with_their_data() async throws {
        let world = try await World(self)
        let client = try world.client()

        var error = try await failure { try await client.accessToken() }
        guard case .signedOut(.neverSignedIn, _) = error else { return XCTFail("\(error)") }

        error = try await failure { try await client.signIn("anna@example.org", password: "wrong") }
        guard case .rejected(let rejection, let detail) = error else { return XCTFail("\(error)") }
        XCTAssertEqual(rejection.code, "invalid_credentials")
        XCTAssertEqual(error.localizedDescription, detail)
        XCTAssertEqual(rejection.sentence, detail)

        error = try await failure {
            try await client.register(Registration(email: "no address"), password: password)
        }
        guard case .rejected(let refused, _) = error else { return XCTFail("\(error)") }
        XCTAssertEqual(refused.fields["email"]?.isEmpty, false)

        try await world.answer(
            "POST /propusk/v1/sessions", status: 503, headers: ["Retry-After": "7"])
        error = try await failure {
            try await client.signIn("anna@example.org", password: password)
        }
        guard case .retryLater(after: 7, _) = error else { return XCTFail("\(error)") }

        try await world.answer(
            "POST /propusk/v1/sessions", status: 201,
            headers: ["Content-Type": "application/json"], body: "{\"unknown\":1}")
        error = try await failure {
            try await client.signIn("anna@example.org", password: password)
        }
        guard case .protocol = error else { return XCTFail("\(error)") }

        try await world.network(up: false)
        error = try await failure {
            try await client.signIn("anna@example.org", password: password)
        }
        guard case .network = error else { return XCTFail("\(error)") }
        try await world.network(up: true)

        let simple = try world.client(dialect: .simplejwt)
        XCTAssertFalse(simple.supports(.sessions))
        error = try await failure { try await simple.sessions() }
        guard case .unsupported(.sessions, _) = error else { return XCTFail("\(error)") }

        error = try await failure { try Client(ClientOptions(server: "no address")) }
        guard case .usage = error else { return XCTFail("\(error)") }

        _ = try await client.register(Registration(email: "anna@example.org"), password: password)
        try await client.signIn("anna@example.org", password: password)
        let status = try await client.status()
        let user = try XCTUnwrap(status.user)
        try await client.signIn("anna@example.org", password: password)
        error = try await failure { try await client.accessToken(for: user) }
        guard case .otherSignIn = error else { return XCTFail("\(error)") }

        let browser = NoBrowser(CallbackError.Cancelled)
        let app = try world.client(redirects: [world.redirect])
        error = try await failure { try await app.signIn(provider: "google", browser: browser) }
        guard case .cancelled = error else { return XCTFail("\(error)") }
    }

    func test_concurrent_calls_share_one_refresh() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        try await world.expireAccessTokens()

        try await withThrowingTaskGroup(of: Profile.self) { calls in
            for _ in 0..<200 { calls.addTask { try await client.profile() } }
            for try await profile in calls { XCTAssertEqual(profile.email, "anna@example.org") }
        }
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
    }

    func test_cancelled_call_ends_within_50_ms() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()

        try await world.hold(true)
        let call = Task { try await client.profile() }
        try await world.arrived("GET /propusk/v1/account")
        let cancelled = ContinuousClock.now
        call.cancel()
        let result = await call.result
        XCTAssertLessThan(cancelled.duration(to: .now), .milliseconds(50))
        XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError, "\($0)") }

        try await world.hold(false)
        let profile = try await client.profile()
        XCTAssertEqual(profile.email, "anna@example.org")
    }

    func test_cancelled_refresh_goes_on() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let token = try await client.accessToken().token()

        try await world.hold(true)
        let call = Task { try await client.refresh() }
        try await world.arrived(refresh)
        call.cancel()
        let result = await call.result
        XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError, "\($0)") }

        try await world.hold(false)
        let isDone = try await client.finishPendingWork(within: 10)
        XCTAssertTrue(isDone)
        let next = try await client.accessToken().token()
        XCTAssertNotEqual(next, token)
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
    }

    private let refresh = "POST /propusk/v1/sessions/refresh"
}
