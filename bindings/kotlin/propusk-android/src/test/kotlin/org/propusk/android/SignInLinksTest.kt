// A link that starts the app again: the process, and with it the first client, is gone.
package org.propusk.android

import java.io.File
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.propusk.Client
import org.propusk.LinkOutcome
import org.propusk.PropuskException
import org.propusk.Vault
import org.propusk.fixture.World

/** The `Application` of one process of the app. */
private class FakeApplication(override val propusk: Client) : SignInLinkHost {
    override val propuskScope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    val results = mutableListOf<Any>()

    override fun onSignInLink(outcome: LinkOutcome) {
        results += outcome
    }

    override fun onSignInLinkError(error: PropuskException, link: String) {
        results += error
    }
}

class SignInLinksTest {
    @TempDir
    lateinit var folder: File

    private val world = World()
    private val keystore = FakeKeystore()

    @AfterEach
    fun close() = world.close()

    /** A start of the app: the files and the Keystore are those of the start before. */
    private fun start(): FakeApplication {
        val storage = KeystoreStorage(File(folder, "session.key"), keystore) { true }
        return FakeApplication(world.client(Vault.secureStorage(File(folder, "session.vault"), storage)))
    }

    private fun test(block: suspend () -> Unit) = runBlocking { withTimeout(60.seconds) { block() } }

    @Test
    fun `sign-in is completed by the process that the link starts`() = test {
        val link = start().propusk.use { stopped -> world.browse(stopped.beginSignIn("google").authorizeUrl) }
        val started = start()
        SignInLinks.deliver(link, started).join()
        assertEquals(listOf<Any>(LinkOutcome.SignedIn), started.results)
        assertTrue(started.propusk.status().isSignedIn)

        // Android delivers the link again when the app is opened from the list of recent apps.
        val recent = start()
        SignInLinks.deliver(link, recent).join()
        assertEquals(listOf<Any>(LinkOutcome.AlreadyCompleted), recent.results)
        assertTrue(recent.propusk.status().isSignedIn)
    }

    @Test
    fun `link may be delivered again after a lost network`() = test {
        val app = start()
        val link = world.browse(app.propusk.beginSignIn("google").authorizeUrl)
        world.network(up = false)
        SignInLinks.deliver(link, app).join()
        assertInstanceOf(PropuskException.Network::class.java, app.results.single())
        world.network(up = true)
        SignInLinks.deliver(link, app).join()
        assertEquals(LinkOutcome.SignedIn, app.results.last())
    }

    @Test
    fun `user who denies is reported as cancelled`() = test {
        val app = start()
        val link = world.browse(app.propusk.beginSignIn("google").authorizeUrl, consent = false)
        SignInLinks.deliver(link, app).join()
        assertInstanceOf(PropuskException.Cancelled::class.java, app.results.single())
    }
}
