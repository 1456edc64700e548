// The behavioural suite of all bindings: the cases that bindings/README.md lists.

import Foundation
import XCTest

import enum PropuskFFI.CallbackError

@testable import Propusk

private let account = "GET /propusk/v1/account"
private let providers = "GET /propusk/v1/providers"
private let refresh = "POST /propusk/v1/sessions/refresh"
private let signIn = "POST /propusk/v1/sessions"

final class SuiteTests: XCTestCase {
    func test_register_creates_an_account() async throws {
        let world = try await World(self)
        let client = try world.client()
        let registered = try await client.register(Registration(email: email), password: password)
        XCTAssertEqual(registered, .active)

        let taken = try await failure {
            try await client.register(Registration(email: email), password: password)
        }
        XCTAssertEqual(code(taken), "identifier_taken")
        let weak = try await failure {
            try await client.register(Registration(email: "eve@example.org"), password: "12345")
        }
        XCTAssertEqual(code(weak), "weak_password")
    }

    func test_activate_confirms_the_mailed_link() async throws {
        let world = try await World(self)
        let client = try world.client(dialect: .djoserToken)
        let registered = try await client.register(Registration(email: email), password: password)
        XCTAssertEqual(registered, .activationRequired)
        _ = try await failure { try await client.signIn(email, password: password) }

        let link = try await world.mailedLink(to: email)
        try await client.activate(try XCTUnwrap(MailedLink.parse(link)))
        try await client.signIn(email, password: password)
    }

    func test_sign_in_opens_a_session() async throws {
        let world = try await World(self)
        try await world.register()
        let (vault, again) = try vaults(self)
        let client = try world.client(vault: vault)
        let before = try await client.status()
        XCTAssertEqual(before.phase, .signedOut(reason: .neverSignedIn))
        let wrong = try await failure { try await client.signIn(email, password: "wrong") }
        XCTAssertEqual(code(wrong), "invalid_credentials")

        try await client.signIn(email, password: password)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedIn)
        let profile = try await client.profile()
        XCTAssertEqual(profile.email, email)
        let sessions = try await client.sessions()
        XCTAssertEqual(sessions.map(\.current), [true])

        let next = try await world.client(vault: again).status()
        XCTAssertEqual(next.phase, .signedIn)
        XCTAssertEqual(next.user, status.user)
    }

    func test_adopt_keeps_users_signed_in() async throws {
        let world = try await World(self)
        try await world.register()
        let (access, refresh) = try await world.tokens()
        let client = try world.client(dialect: .djoserJwt)

        let first = try await client.adopt(access: access, refresh: refresh)
        XCTAssertEqual(first, .adopted)
        let second = try await client.adopt(access: access, refresh: refresh)
        XCTAssertEqual(second, .alreadyAdopted)
        let profile = try await client.profile()
        XCTAssertEqual(profile.email, email)
    }

    func test_refresh_is_automatic() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let before = try await client.accessToken()

        try await world.expireAccessTokens()
        _ = try await client.profile()
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
        let after = try await client.replaceAccessToken(before)
        XCTAssertNotEqual(after.token(), before.token())
        XCTAssertEqual(after.header(), "Bearer \(after.token())")
        let still = try await world.count(refresh)
        XCTAssertEqual(still, 1, "the refused token was replaced before")
    }

    func test_offline_users_stay_signed_in() async throws {
        let world = try await World(self)
        let (vault, again) = try vaults(self)
        let client = try await world.signedIn(vault: vault)
        let profile = try await client.profile()

        try await world.network(up: false)
        let error = try await failure { try await client.refresh() }
        guard case .network = error else { return XCTFail("\(error)") }
        let status = try await client.status()
        XCTAssertEqual(status.phase, .offline)
        XCTAssertTrue(status.isSignedIn)
        _ = try await client.accessToken()

        let restarted = try world.client(vault: again)
        let next = try await restarted.status()
        XCTAssertEqual(next.phase, .signedIn)
        let cached = try await restarted.cachedProfile()
        XCTAssertEqual(cached, profile)
        let identity = try await restarted.offlineIdentity(trustedFor: 30)
        XCTAssertEqual(identity.profile, profile)

        try await world.network(up: true)
        restarted.networkChanged()
        _ = try await restarted.profile()
    }

    func test_sign_out_ends_the_session() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let confirmed = try await client.signOut()
        XCTAssertEqual(confirmed, .confirmed)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedOut(reason: .signedOut))

        try await client.signIn(email, password: password)
        try await world.network(up: false)
        let pending = try await client.signOut()
        XCTAssertEqual(pending, .pending)
        try await world.network(up: true)
        client.networkChanged()
        let isDone = try await client.finishPendingWork(within: 30)
        XCTAssertTrue(isDone)
        try await client.signIn(email, password: password)
        let sessions = try await client.sessions()
        XCTAssertEqual(sessions.map(\.current), [true])
    }

    func test_provider_sign_in_at_a_loopback_port() async throws {
        let world = try await World(self)
        let client = try world.client(redirects: [world.loopback])
        let known = try await client.providers()
        XCTAssertTrue(known.contains { $0.name == "google" }, "\(known)")

        let outcome = try await client.signIn(provider: "google", browser: FakeBrowser(world))
        XCTAssertEqual(outcome, .signedIn)
        let identities = try await client.identities()
        XCTAssertEqual(identities.map(\.provider), ["google"])
        let denied = try await failure {
            try await client.signIn(
                provider: "google", browser: FakeBrowser(world, consent: false))
        }
        guard case .cancelled = denied else { return XCTFail("\(denied)") }
    }

    func test_provider_sign_in_by_a_deep_link() async throws {
        let world = try await World(self)
        let client = try world.client(redirects: [world.redirect])

        let outcome = try await client.signIn(
            provider: "yandex", browser: FakeBrowser(world, returnsTo: client))
        XCTAssertEqual(outcome, .signedIn)
        let denied = try await failure {
            try await client.signIn(
                provider: "yandex",
                browser: FakeBrowser(world, consent: false, returnsTo: client))
        }
        guard case .cancelled = denied else { return XCTFail("\(denied)") }
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedIn)
    }

    func test_deep_link_completes_after_a_cold_start() async throws {
        let world = try await World(self)
        let (vault, again) = try vaults(self)
        let address = try await world.client(vault: vault, redirects: [world.redirect])
            .beginSignIn(provider: "google").authorizeUrl()
        let link = try await world.browse(address)

        let client = try world.client(vault: again, redirects: [world.redirect])
        let first = try await client.completeSignIn(link)
        XCTAssertEqual(first, .signedIn)
        let second = try await client.completeSignIn(link)
        XCTAssertEqual(second, .alreadyCompleted)
        let settings = try XCTUnwrap(URL(string: "org.example.app:/settings"))
        let other = try await client.completeSignIn(settings)
        XCTAssertEqual(other, .unrelated)
        _ = try await client.profile()
    }

    func test_storage_locked_is_not_a_sign_out() async throws {
        let world = try await World(self)
        let storage = FakeStorage()
        let (vault, again) = try vaults(self, storage: storage)
        _ = try await world.signedIn(vault: vault)

        storage.fail(with: SecureStorageError.locked("the device is locked"))
        let client = try world.client(vault: again)
        let error = try await failure { try await client.status() }
        guard case .storage(.locked, let detail) = error else { return XCTFail("\(error)") }
        XCTAssertTrue(detail.contains("the device is locked"), detail)
        let state = try await client.vaultState()
        XCTAssertEqual(state, .locked)

        storage.fail(with: nil)
        let status = try await client.status()
        XCTAssertEqual(status.phase, .signedIn)
        _ = try await client.profile()
    }

    func test_vault_of_another_server_is_not_used() async throws {
        let world = try await World(self)
        let other = try await World(self)
        let (vault, again) = try vaults(self)
        let client = try await world.signedIn(vault: vault)

        let wrong = try other.client(vault: again)
        let error = try await failure { try await wrong.accessToken() }
        guard case .storage(.otherServer, _) = error else { return XCTFail("\(error)") }
        let state = try await wrong.vaultState()
        XCTAssertEqual(state, .otherServer)
        let refreshes = try await other.count(refresh)
        XCTAssertEqual(refreshes, 0)
        _ = try await client.profile()
    }

    func test_errors_have_a_kind_for_each_reaction() async throws {
        let world = try await World(self)
        try await world.register()
        let client = try world.client()

        var error = try await failure { try await client.accessToken() }
        guard case .signedOut(.neverSignedIn, _) = error else { return XCTFail("\(error)") }

        error = try await failure { try await client.signIn(email, password: "wrong") }
        guard case .rejected(let rejection, let detail) = error else { return XCTFail("\(error)") }
        XCTAssertEqual(rejection.code, "invalid_credentials")
        XCTAssertEqual(rejection.sentence, detail)
        XCTAssertEqual(error.localizedDescription, detail)

        try await world.answer(signIn, status: 503, headers: ["Retry-After": "7"])
        error = try await failure { try await client.signIn(email, password: password) }
        guard case .retryLater(after: 7, _) = error else { return XCTFail("\(error)") }

        try await world.answer(providers, status: 404)
        error = try await failure { try await client.providers() }
        guard case .protocol = error else { return XCTFail("\(error)") }

        try await world.network(up: false)
        error = try await failure { try await client.providers() }
        guard case .network = error else { return XCTFail("\(error)") }
        try await world.network(up: true)

        try await client.signIn(email, password: password)
        let user = try await client.accessToken().user()
        try await client.signIn(email, password: password)
        error = try await failure { try await client.accessToken(for: user) }
        guard case .otherSignIn = error else { return XCTFail("\(error)") }

        let simple = try world.client(dialect: .simplejwt)
        XCTAssertFalse(simple.supports(.sessions))
        error = try await failure { try await simple.sessions() }
        guard case .unsupported(.sessions, _) = error else { return XCTFail("\(error)") }

        error = try await failure { try Client(ClientOptions(server: "id.example.org")) }
        guard case .usage = error else { return XCTFail("\(error)") }

        let app = try world.client(redirects: [world.redirect])
        let browser = NoBrowser(error: CancellationError())
        error = try await failure { try await app.signIn(provider: "google", browser: browser) }
        guard case .cancelled = error else { return XCTFail("\(error)") }
    }

    func test_concurrent_calls_share_one_refresh() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        try await world.expireAccessTokens()

        try await withThrowingTaskGroup(of: Profile.self) { calls in
            for _ in 0..<200 { calls.addTask { try await client.profile() } }
            for try await profile in calls { XCTAssertEqual(profile.email, email) }
        }
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
    }

    func test_cancellation_releases_the_caller_and_drops_its_request() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()

        try await world.hold(true)
        var fastest = 60.0
        for _ in 0..<5 { fastest = min(fastest, try await releaseTime(world, client)) }
        print("a cancelled call returns after \(fastest) s")
        XCTAssertLessThan(fastest, 0.05)
        try await world.dropped(account)
        try await world.hold(false)
        _ = try await client.profile()
    }

    /// How many seconds a call that waits for the server needs to return after its task is cancelled. The
    /// best of a few counts: the machine may be busy.
    private func releaseTime(_ world: World, _ client: Client) async throws -> TimeInterval {
        let call = Task { try await client.profile() }
        try await world.arrived(account)
        let cancelled = DispatchTime.now().uptimeNanoseconds
        call.cancel()
        let result = await call.result
        let time = Double(DispatchTime.now().uptimeNanoseconds - cancelled) / 1e9
        XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError, "\($0)") }
        return time
    }

    func test_cancellation_lets_a_renewal_go_on() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let before = try await client.accessToken().token()

        try await world.hold(true)
        let call = Task { try await client.refresh() }
        try await world.arrived(refresh)
        call.cancel()
        let result = await call.result
        XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError, "\($0)") }

        try await world.hold(false)
        let isDone = try await client.finishPendingWork(within: 30)
        XCTAssertTrue(isDone)
        let after = try await client.accessToken().token()
        XCTAssertNotEqual(after, before)
        let refreshes = try await world.count(refresh)
        XCTAssertEqual(refreshes, 1)
    }

    func test_listener_receives_every_change() async throws {
        let world = try await World(self)
        try await world.register()
        let (vault, again) = try vaults(self)
        let client = try world.client(vault: vault)
        _ = try await client.status()
        var statuses = client.statuses.makeAsyncIterator()
        let first = await statuses.next()
        XCTAssertEqual(first?.phase, .signedOut(reason: .neverSignedIn))

        try await client.signIn(email, password: password)
        let second = await statuses.next()
        XCTAssertEqual(second?.phase, .signedIn)
        // Another client with the same vault is as another process.
        try await world.client(vault: again).signOut()
        let third = await statuses.next()
        XCTAssertEqual(third?.phase, .signedOut(reason: .signedOut))

        // The library keeps a listener while it calls it, and no longer.
        let (phases, report) = AsyncStream.makeStream(of: Phase.self)
        var listener: PhaseListener? = PhaseListener(report)
        weak var kept = listener
        let watch = client.sdk.watch(listener: try XCTUnwrap(listener))
        listener = nil
        var received = phases.makeAsyncIterator()
        _ = await received.next()
        XCTAssertNotNil(kept)
        watch.stop()
        for _ in 0..<1_000 where kept != nil { try await Task.sleep(nanoseconds: 10_000_000) }
        XCTAssertNil(kept, "the listener is released")
    }

    func test_listener_may_fail() async throws {
        let world = try await World(self)
        try await world.register()
        let client = try world.client()
        _ = try await client.status()
        for error in [AppError(), CallbackError.Failed(detail: "a bug of the app")] as [any Error] {
            let (phases, report) = AsyncStream.makeStream(of: Phase.self)
            let watch = client.sdk.watch(listener: PhaseListener(report, error: error))
            var received = phases.makeAsyncIterator()
            let first = await received.next()
            XCTAssertNotEqual(first, .signedIn)

            try await client.signIn(email, password: password)
            let second = await received.next()
            XCTAssertEqual(second, .signedIn)
            watch.stop()
            try await client.signOut()
        }
    }

    func test_password_is_reset_with_the_mailed_link() async throws {
        let world = try await World(self)
        try await world.register()
        let client = try world.client()
        try await client.requestReset(email: email)
        let mailed = try await world.mailedLink(to: email)
        let link = try XCTUnwrap(MailedLink.parse(mailed))
        let new = "a louder harbour at night"

        try await client.confirmReset(link, newPassword: new)
        let again = try await failure { try await client.confirmReset(link, newPassword: new) }
        XCTAssertEqual(code(again), "link_invalid")
        let old = try await failure { try await client.signIn(email, password: password) }
        XCTAssertEqual(code(old), "invalid_credentials")
        try await client.signIn(email, password: new)
    }

    func test_calls_for_one_sign_in_refuse_the_next() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let user = try await client.accessToken().user()
        let bound = try await client.bound(to: user)
        let profile = try await bound.profile()
        XCTAssertEqual(profile.email, email)
        try await client.signIn(email, password: password)
        var error = try await failure { try await bound.deleteAccount(currentPassword: password) }
        guard case .otherSignIn = error else { return XCTFail("\(error)") }
        error = try await failure { try await client.bound(to: user) }
        guard case .otherSignIn = error else { return XCTFail("\(error)") }
        let still = try await client.profile()
        XCTAssertEqual(still.email, email)
    }

    func test_own_data_is_listed_and_exported() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let page = try await client.accountEvents()
        let sessions = try await client.sessions()
        let signedIn = try XCTUnwrap(page.events.first { $0.event == "signed_in" })
        XCTAssertEqual(signedIn.reason, "password")
        XCTAssertEqual(signedIn.count, 1)
        XCTAssertEqual(signedIn.sessionId, sessions.first?.id)
        XCTAssertEqual(signedIn.at, sessions.first?.createdAt)
        XCTAssertTrue(page.events.contains { $0.event == "registered" }, "\(page)")
        XCTAssertNil(page.next)
        let unknown = try await failure { try await client.accountEvents(before: "unknown") }
        XCTAssertEqual(code(unknown), "invalid_fields")

        let export = Data(try await client.exportAccount().utf8)
        let kept = try XCTUnwrap(JSONSerialization.jsonObject(with: export) as? [String: Any])
        let identifiers = try XCTUnwrap(kept["identifiers"] as? [[String: Any]])
        XCTAssertEqual(identifiers.first?["value"] as? String, email)
        try await world.expireAccessTokens()
        let late = try await failure { try await client.exportAccount() }
        XCTAssertEqual(code(late), "reauthentication_required")
        let wrong = try await failure { try await client.exportAccount(currentPassword: "wrong") }
        XCTAssertEqual(code(wrong), "wrong_password")
        let again = try await client.exportAccount(currentPassword: password)
        XCTAssertTrue(again.contains(email), again)
        XCTAssertFalse(again.contains(password), again)
    }

    func test_secrets_are_not_printed() async throws {
        let world = try await World(self)
        let client = try await world.signedIn()
        let token = try await client.accessToken()
        let options = ClientOptions(
            server: world.server, oauthClientId: "app", oauthClientSecret: Secret("a quiet secret"))
        let wrong = try await failure { try await client.signIn(email, password: "a quiet guess") }
        let usage = try await failure {
            try Client(ClientOptions(server: "https://anna:a%20quiet%20word@id.example.org"))
        }

        for value in [token, options, client, wrong, usage] as [Any] {
            var text = "\(value) \(String(reflecting: value))"
            dump(value, to: &text)
            XCTAssertFalse(text.contains(token.token()), text)
            XCTAssertFalse(text.contains("quiet"), text)
        }
    }

    private func code(_ error: PropuskError) -> String? {
        guard case .rejected(let rejection, _) = error else { return "\(error)" }
        return rejection.code
    }
}
