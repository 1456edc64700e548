// The behavioural suite: the cases of bindings/README.md, under the same names in every language.
package org.propusk

import java.io.File
import java.io.IOException
import java.lang.ref.WeakReference
import kotlin.concurrent.thread
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.propusk.ffi.FfiConverterTypeSessionListener
import org.propusk.ffi.SessionListener
import org.propusk.ffi.Status as FfiStatus
import org.propusk.ffi.StatusWatch
import org.propusk.fixture.ACCOUNT
import org.propusk.fixture.EMAIL
import org.propusk.fixture.PASSWORD
import org.propusk.fixture.REFRESH
import org.propusk.fixture.SIGN_IN
import org.propusk.fixture.World

/** The error of this class that the block throws. */
private suspend inline fun <reified E : Exception> failure(block: suspend () -> Any?): E =
    try {
        val result = block()
        throw AssertionError("no ${E::class.simpleName}, but $result")
    } catch (error: Exception) {
        error as? E ?: throw error
    }

class SuiteTest {
    @TempDir
    lateinit var folder: File

    private val world = World()

    @AfterEach
    fun close() = world.close()

    private fun test(block: suspend () -> Unit) = runBlocking { withTimeout(60.seconds) { block() } }

    /** Watches with a listener of the generated layer, which only the SDK keeps. */
    private fun watch(client: Client, report: (FfiStatus) -> Unit): Pair<StatusWatch, WeakReference<SessionListener>> {
        val listener = object : SessionListener {
            override fun onStatus(status: FfiStatus) = report(status)
        }
        return client.inner.watch(listener) to WeakReference(listener)
    }

    /** The same vault at each start of the app. */
    private val key = Vault.generateKey()

    private fun vault() = Vault.file(File(folder, "session.vault"), key)

    @Test
    fun register_creates_an_account() = test {
        val client = world.client()
        assertEquals(Registered.ACTIVE, client.register(Registration(email = EMAIL), PASSWORD))
        val again = failure<PropuskException.Rejected> { client.register(Registration(email = EMAIL), PASSWORD) }
        assertEquals("identifier_taken", again.rejection.code)
        val weak = failure<PropuskException.Rejected> {
            client.register(Registration(email = "eve@example.org"), "12345")
        }
        assertEquals("weak_password", weak.rejection.code)
        assertTrue("password" in weak.rejection.fields.keys, weak.rejection.fields.toString())
        assertFalse(client.status().isSignedIn)
    }

    @Test
    fun activate_confirms_the_mailed_link() = test {
        val client = Client(ClientOptions(world.server, dialect = Dialect.DJOSER_TOKEN))
        assertEquals(Registered.ACTIVATION_REQUIRED, client.register(Registration(email = EMAIL), PASSWORD))
        failure<PropuskException.Rejected> { client.signIn(EMAIL, PASSWORD) }
        client.activate(world.mailedLink(EMAIL))
        client.signIn(EMAIL, PASSWORD)
        assertEquals(EMAIL, client.profile().email)
    }

    @Test
    fun sign_in_opens_a_session() = test {
        val client = world.client(vault())
        client.register(Registration(email = EMAIL), PASSWORD)
        val wrong = failure<PropuskException.Rejected> { client.signIn(EMAIL, "another password") }
        assertEquals("invalid_credentials", wrong.rejection.code)
        client.signIn(EMAIL, PASSWORD)
        val profile = client.profile()
        assertEquals(EMAIL, profile.email)
        assertEquals(profile.id, client.status().user?.accountId)
        assertEquals(profile, world.client(vault()).cachedProfile())
    }

    @Test
    fun adopt_keeps_users_signed_in() = test {
        world.signedIn()
        val (access, refresh) = world.tokens()
        val client = Client(ClientOptions(world.server, vault(), Dialect.DJOSER_JWT))
        assertEquals(Adoption.ADOPTED, client.adopt(access, refresh))
        assertEquals(EMAIL, client.profile().email)
        assertEquals(Adoption.ALREADY_ADOPTED, client.adopt(access, refresh))
    }

    @Test
    fun refresh_is_automatic() = test {
        val client = world.signedIn()
        val first = client.accessToken()
        world.expireAccessTokens()
        assertEquals(EMAIL, client.profile().email)
        assertEquals(1, world.count(REFRESH))
        assertNotEquals(first, client.accessToken())
        assertNotEquals(null, client.accessToken().expiresAt)
    }

    @Test
    fun offline_users_stay_signed_in() = test {
        val client = world.signedIn(vault())
        client.profile()
        world.network(up = false)
        failure<PropuskException.Network> { client.refresh() }
        assertEquals(Phase.Offline, client.status().phase)
        val started = world.client(vault())
        assertTrue(started.status().isSignedIn)
        assertEquals(EMAIL, started.cachedProfile()?.email)
        assertEquals(Trust.Fresh, started.offlineIdentity(1.seconds).trust)
        world.network(up = true)
        client.networkChanged()
        client.refresh()
        assertEquals(Phase.SignedIn, client.status().phase)
    }

    @Test
    fun sign_out_ends_the_session() = test {
        val client = world.signedIn(vault())
        assertEquals(SignOut.CONFIRMED, client.signOut())
        assertEquals(Phase.SignedOut(SignOutReason.SIGNED_OUT), client.status().phase)
        client.signIn(EMAIL, PASSWORD)
        world.network(up = false)
        assertEquals(SignOut.PENDING, client.signOut())
        val started = world.client(vault())
        assertFalse(started.status().isSignedIn)
        world.network(up = true)
        client.networkChanged()
        assertTrue(client.finishPendingWork(30.seconds))
        client.signIn(EMAIL, PASSWORD)
        assertEquals(1, client.sessions().size)
    }

    @Test
    fun provider_sign_in_at_a_loopback_port() = test {
        val client = Client(ClientOptions(world.server, redirects = listOf(world.loopback)))
        var consent = true
        val browser = Browser { url -> thread { world.browse(url, consent) } }
        assertEquals(LinkOutcome.SignedIn, client.signInWithProvider("google", browser))
        assertTrue(client.status().isSignedIn)
        assertEquals(listOf("google"), client.identities().map { it.provider })
        client.signOut()
        consent = false
        failure<PropuskException.Cancelled> { client.signInWithProvider("google", browser) }
        val broken = failure<PropuskException.Usage> {
            client.signInWithProvider("google", { url -> throw IOException("no browser for $url") })
        }
        assertTrue(broken.message!!.endsWith("java.io.IOException"), broken.message)
        val error = failure<PropuskException.Usage> { client.signInWithProvider("google", { url -> throw LinkageError("for $url") }) }
        assertTrue(error.message!!.endsWith("java.lang.LinkageError"), error.message)
        failure<PropuskException.Cancelled> {
            client.signInWithProvider("google", { throw CancellationException("the user closed the window") })
        }
    }

    @Test
    fun provider_sign_in_by_a_deep_link() = test {
        val client = world.client()
        val opened = CompletableDeferred<String>()
        coroutineScope {
            val signIn = async { client.signInWithProvider("vk", { url -> opened.complete(url) }) }
            val link = world.browse(opened.await())
            assertEquals(LinkOutcome.SignedIn, client.completeSignIn(link))
            assertEquals(LinkOutcome.SignedIn, signIn.await())
        }
    }

    @Test
    fun deep_link_completes_after_a_cold_start() = test {
        val link = world.client(vault()).use { stopped -> world.browse(stopped.beginSignIn("google").authorizeUrl) }
        assertEquals(DeepLink.Code(world.redirect), DeepLink.parse(link, listOf(world.redirect)))
        val started = world.client(vault())
        assertEquals(LinkOutcome.SignedIn, started.completeSignIn(link))
        assertTrue(started.status().isSignedIn)
        assertEquals(LinkOutcome.AlreadyCompleted, started.completeSignIn(link))
        assertEquals(LinkOutcome.Unrelated, started.completeSignIn("org.example.app:/settings"))
        val foreign = failure<PropuskException.Rejected> {
            started.completeSignIn("${world.redirect}?code=c0de&state=5tate")
        }
        assertEquals("sign_in_unknown", foreign.rejection.code)
    }

    @Test
    fun storage_locked_is_not_a_sign_out() = test {
        val storage = FakeStorage()
        fun start() = world.client(Vault.secureStorage(File(folder, "session.vault"), storage))
        start().use { client ->
            client.register(Registration(email = EMAIL), PASSWORD)
            client.signIn(EMAIL, PASSWORD)
        }
        val client = start()
        storage.failure = SecureStorageException.Locked("the screen is locked")
        val locked = failure<PropuskException.Storage> { client.status() }
        assertEquals(VaultState.LOCKED, locked.state)
        assertTrue("the screen is locked" in locked.message!!, locked.message)
        storage.failure = IllegalStateException(storage.key.contentToString())
        val failed = failure<PropuskException.Storage> { client.status() }
        assertFalse(storage.key.contentToString() in failed.message!!)
        storage.failure = LinkageError(storage.key.contentToString())
        val broken = failure<PropuskException.Storage> { client.status() }
        assertEquals(VaultState.LOCKED, broken.state)
        assertTrue("java.lang.LinkageError" in broken.message!!, broken.message)
        assertFalse(storage.key.contentToString() in broken.message!!)
        storage.failure = null
        assertTrue(client.status().isSignedIn)
    }

    @Test
    fun vault_of_another_server_is_not_used() = test {
        world.signedIn(vault())
        World().use { other ->
            val client = other.client(vault())
            assertEquals(VaultState.OTHER_SERVER, client.vaultState())
            val refused = failure<PropuskException.Storage> { client.accessToken() }
            assertEquals(VaultState.OTHER_SERVER, refused.state)
            assertEquals(0, other.count(REFRESH))
        }
        assertTrue(world.client(vault()).status().isSignedIn)
    }

    @Test
    fun errors_have_a_kind_for_each_reaction() = test {
        val client = world.client()
        val signedOut = failure<PropuskException.SignedOut> { client.accessToken() }
        assertEquals(SignOutReason.NEVER_SIGNED_IN, signedOut.reason)
        client.register(Registration(email = EMAIL), PASSWORD)
        val wrong = failure<PropuskException.Rejected> { client.signIn(EMAIL, "another password") }
        assertEquals("invalid_credentials", wrong.rejection.code)
        assertEquals(wrong.rejection.sentence, wrong.message)
        world.answerNext(SIGN_IN, 503, mapOf("Retry-After" to "7"))
        val later = failure<PropuskException.RetryLater> { client.signIn(EMAIL, PASSWORD) }
        assertEquals(7.seconds, later.after)
        world.answerNext("GET /propusk/v1/providers", 404, body = "no such page")
        failure<PropuskException.Protocol> { client.providers() }
        world.network(up = false)
        failure<PropuskException.Network> { client.providers() }
        world.network(up = true)
        client.signIn(EMAIL, PASSWORD)
        val earlier = client.status().user!!
        client.signIn(EMAIL, PASSWORD)
        failure<PropuskException.OtherSignIn> { client.accessTokenFor(earlier) }
        val simple = Client(ClientOptions(world.server, dialect = Dialect.SIMPLEJWT))
        assertFalse(simple.supports(Operation.SESSIONS))
        val unsupported = failure<PropuskException.Unsupported> { simple.sessions() }
        assertEquals(Operation.SESSIONS, unsupported.operation)
        failure<PropuskException.Usage> { Client("id.example.org") }
    }

    @Test
    fun concurrent_calls_share_one_refresh() = test {
        val client = world.signedIn()
        world.expireAccessTokens()
        coroutineScope { List(200) { async(Dispatchers.Default) { client.profile() } }.awaitAll() }
        assertEquals(1, world.count(REFRESH))
    }

    @Test
    fun cancellation_releases_the_caller_and_drops_its_request() = test {
        val client = world.signedIn()
        world.hold(true)
        // The fastest of several, because other programs run on this machine.
        val released = (1..5).minOf { cancelled(ACCOUNT) { client.profile() } }
        assertTrue(released < 50.milliseconds, "$released")
        world.awaitDrop(ACCOUNT)
        world.hold(false)
        assertEquals(EMAIL, client.profile().email)
    }

    @Test
    fun cancellation_lets_a_renewal_go_on() = test {
        val client = world.signedIn()
        val before = client.accessToken()
        world.hold(true)
        cancelled(REFRESH) { client.refresh() }
        world.hold(false)
        assertTrue(client.finishPendingWork(30.seconds))
        assertNotEquals(before, client.accessToken())
        assertEquals(1, world.count(REFRESH))
    }

    /** Cancels a call whose request has reached the server; returns how long the caller then still waits. */
    private suspend fun cancelled(request: String, call: suspend () -> Any): Duration = coroutineScope {
        val running = launch(Dispatchers.Default) { call() }
        world.awaitArrival(request)
        measureTime { running.cancelAndJoin() }
    }

    @Test
    fun listener_receives_every_change() = test {
        val client = world.client(vault())
        client.register(Registration(email = EMAIL), PASSWORD)
        client.status()
        coroutineScope {
            val seen = Channel<Status>(Channel.UNLIMITED)
            val collector = launch { client.statuses.collect(seen::send) }
            assertEquals(Phase.SignedOut(SignOutReason.NEVER_SIGNED_IN), seen.receive().phase)
            client.signIn(EMAIL, PASSWORD)
            val signedIn = seen.consumeUntil { it.phase == Phase.SignedIn }
            assertEquals(StatusChange.SIGNED_IN, signedIn.change)
            // Another client with the same vault is as another process.
            world.client(vault()).signOut()
            seen.consumeUntil { it.phase == Phase.SignedOut(SignOutReason.SIGNED_OUT) }
            collector.cancelAndJoin()
        }
        // The SDK has released the listener of the flow, and one that it has called.
        while (FfiConverterTypeSessionListener.handleMap.size > 0) delay(10.milliseconds)
        val called = CompletableDeferred<Unit>()
        val (watch, listener) = watch(client) { called.complete(Unit) }
        called.await()
        System.gc()
        assertNotEquals(null, listener.get())
        watch.stop()
        while (listener.get() != null) {
            System.gc()
            delay(10.milliseconds)
        }
        // Not before, not even by the garbage collector: both release the listener too.
        watch.close()
        client.close()
    }

    @Test
    fun `statuses complete when the client is closed`() = test {
        val client = world.client()
        coroutineScope {
            val started = CompletableDeferred<Unit>()
            val collected = async { client.statuses.onEach { started.complete(Unit) }.toList() }
            started.await()
            client.close()
            assertTrue(collected.await().isNotEmpty())
        }
        assertEquals(emptyList<Status>(), client.statuses.toList())
        while (FfiConverterTypeSessionListener.handleMap.size > 0) delay(10.milliseconds)
    }

    @Test
    fun listener_may_fail() = test {
        val client = world.client()
        client.register(Registration(email = EMAIL), PASSWORD)
        val broken = failure<IllegalStateException> { client.statuses.collect { error("a bug of the app") } }
        assertEquals("a bug of the app", broken.message)
        coroutineScope {
            val signedIn = async { client.statuses.first { it.isSignedIn } }
            client.signIn(EMAIL, PASSWORD)
            assertEquals(client.status().user, signedIn.await().user)
        }
        // Across the boundary: the calls go on, for this listener and for others.
        val phases = Channel<Phase>(Channel.UNLIMITED)
        val (watch, _) = watch(client) { status ->
            phases.trySend(status.translate().phase)
            error("a bug of the app")
        }
        phases.consumeUntil { it == Phase.SignedIn }
        client.signOut()
        phases.consumeUntil { it is Phase.SignedOut }
        client.signIn(EMAIL, PASSWORD)
        phases.consumeUntil { it == Phase.SignedIn }
        assertTrue(client.statuses.first().isSignedIn)
        watch.stop()
    }

    @Test
    fun password_is_reset_with_the_mailed_link() = test {
        val client = world.signedIn(vault())
        client.requestReset(EMAIL)
        val link = world.mailedLink(EMAIL)
        val new = "a louder harbour at night"
        client.confirmReset(link, new)
        val again = failure<PropuskException.Rejected> { client.confirmReset(link, new) }
        assertEquals("link_invalid", again.rejection.code)
        val old = failure<PropuskException.Rejected> { client.signIn(EMAIL, PASSWORD) }
        assertEquals("invalid_credentials", old.rejection.code)
        client.signIn(EMAIL, new)
    }

    @Test
    fun calls_for_one_sign_in_refuse_the_next() = test {
        val client = world.signedIn()
        val user = checkNotNull(client.status().user)
        val bound = client.forUser(user)
        assertEquals(EMAIL, bound.profile().email)
        client.signIn(EMAIL, PASSWORD)
        failure<PropuskException.OtherSignIn> { bound.deleteAccount(PASSWORD) }
        failure<PropuskException.OtherSignIn> { client.forUser(user) }
        assertEquals(EMAIL, client.profile().email)
    }

    @Test
    fun own_data_is_listed_and_exported() = test {
        val client = world.signedIn()
        val page = client.accountEvents()
        val session = client.sessions().single()
        val signedIn = page.events.first { it.event == "signed_in" }
        assertEquals("password" to 1L, signedIn.reason to signedIn.count)
        assertEquals(session.id to session.createdAt, signedIn.sessionId to signedIn.at)
        assertTrue(page.events.any { it.event == "registered" }, page.toString())
        assertEquals(null, page.next)
        val unknown = failure<PropuskException.Rejected> { client.accountEvents("unknown") }
        assertEquals("invalid_fields", unknown.rejection.code)

        val export = client.exportAccount()
        assertTrue("\"exported_at\":" in export && "\"value\":\"$EMAIL\"" in export, export)
        world.expireAccessTokens()
        val late = failure<PropuskException.Rejected> { client.exportAccount() }
        assertEquals("reauthentication_required", late.rejection.code)
        val wrong = failure<PropuskException.Rejected> { client.exportAccount("wrong") }
        assertEquals("wrong_password", wrong.rejection.code)
        val again = client.exportAccount(PASSWORD)
        assertTrue(EMAIL in again && PASSWORD !in again, again)
    }

    @Test
    fun secrets_are_not_printed() = test {
        val client = world.signedIn()
        val token = client.accessToken()
        assertFalse(token.token in "$token ${client.status()} ${client.profile()}")
        val options = ClientOptions(
            world.server,
            oauthClient = OAuthClient("app", "an OAuth secret"),
            proxy = "http://name:password@proxy.example.org",
        )
        assertFalse(Regex("secret|password").containsMatchIn("$options ${options.oauthClient}"))
        val wrong = failure<PropuskException.Rejected> { client.signIn(EMAIL, "a harbour at midnight") }
        val usage = failure<PropuskException.Usage> { Client("https://anna:harbour@id.example.org") }
        for (error in listOf(wrong, usage)) assertFalse("harbour" in error.stackTraceToString())
    }

    @Test
    fun `cases are those of bindings README`() {
        val readme = File("../../README.md").readText().substringAfter("\n| case |").substringBefore("\n\n")
        val cases = Regex("(?m)^\\| `(\\w+)`").findAll(readme).map { it.groupValues[1] }.toSet()
        val methods = SuiteTest::class.java.methods.filter { it.isAnnotationPresent(Test::class.java) }.map { it.name }
        assertEquals(cases, methods.filterNot { ' ' in it }.toSet())
        assertEquals(22, cases.size)
    }
}

private suspend fun <T> Channel<T>.consumeUntil(isWanted: (T) -> Boolean): T {
    while (true) {
        val element = receive()
        if (isWanted(element)) return element
    }
}

private class FakeStorage : SecureStorage {
    @Volatile
    var key: ByteArray? = null

    @Volatile
    var failure: Throwable? = null

    override fun load(): ByteArray? = failure?.let { throw it } ?: key

    override fun save(key: ByteArray) {
        failure?.let { throw it }
        this.key = key
    }

    override fun remove() {
        key = null
    }
}
