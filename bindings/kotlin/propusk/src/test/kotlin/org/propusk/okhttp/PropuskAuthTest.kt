// The access token for OkHttp.
package org.propusk.okhttp

import com.sun.net.httpserver.HttpServer
import java.net.InetSocketAddress
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import kotlinx.coroutines.runBlocking
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody
import okio.BufferedSink
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.propusk.Client
import org.propusk.PropuskException
import org.propusk.fixture.ACCOUNT
import org.propusk.fixture.REFRESH
import org.propusk.fixture.World

/** A server of someone else, which notes the header that must not reach it. */
internal class ForeignServer : AutoCloseable {
    @Volatile
    var authorization: String? = null

    @Volatile
    var requests = 0
    private val server = HttpServer.create(InetSocketAddress("127.0.0.1", 0), 0)
    val url = "http://127.0.0.1:${server.address.port}/"

    init {
        server.createContext("/") { exchange ->
            authorization = exchange.requestHeaders.getFirst("Authorization")
            requests += 1
            exchange.sendResponseHeaders(401, -1)
            exchange.close()
        }
        server.start()
    }

    override fun close() = server.stop(0)
}

class PropuskAuthTest {
    private val world = World()
    private val account = "${world.server}/propusk/v1/account"

    @AfterEach
    fun close() = world.close()

    private fun http(client: Client) = OkHttpClient.Builder().propusk(client).build()

    private fun OkHttpClient.get(url: String): Int =
        newCall(Request.Builder().url(url).build()).execute().use { it.code }

    @Test
    fun `token is attached, and replaced once after a 401`() {
        val http = http(world.signedIn())
        assertEquals(200, http.get(account))
        assertEquals(0, world.count(REFRESH))
        world.expireAccessTokens()
        assertEquals(200, http.get(account))
        assertEquals(1, world.count(REFRESH))
        assertEquals(3, world.count(ACCOUNT))
    }

    @Test
    fun `many refused requests share one renewal`() {
        val http = http(world.signedIn())
        world.expireAccessTokens()
        val threads = Executors.newFixedThreadPool(20)
        val codes = threads.invokeAll(List(60) { Callable { http.get(account) } }).map { it.get() }
        threads.shutdown()
        assertEquals(setOf(200), codes.toSet())
        assertEquals(1, world.count(REFRESH))
    }

    @Test
    fun `endpoint that refuses every token causes one renewal, whichever HTTP client is used`() {
        val client = world.signedIn()
        repeat(5) { world.answerNext("GET /no/such/endpoint", 401) }
        val codes = List(4) { http(client).get("${world.server}/no/such/endpoint") }
        assertEquals(List(4) { 401 }, codes)
        assertEquals(1, world.count(REFRESH))
        assertEquals(5, world.count("GET /no/such/endpoint"))
    }

    @Test
    fun `endpoint that has accepted a token may cause a renewal again`() {
        val http = http(world.signedIn())
        repeat(2) {
            world.answerNext(ACCOUNT, 401)
            assertEquals(200, http.get(account))
        }
        assertEquals(2, world.count(REFRESH))
    }

    @Test
    fun `foreign origin gets no token, not even by a redirect`() {
        ForeignServer().use { foreign ->
            val http = http(world.signedIn())
            assertEquals(401, http.get(foreign.url))
            world.answerNext("GET /moved", 302, mapOf("Location" to foreign.url))
            assertEquals(401, http.get("${world.server}/moved"))
            assertEquals(2, foreign.requests)
            assertNull(foreign.authorization)
            assertEquals(0, world.count(REFRESH))
        }
    }

    @Test
    fun `body that cannot be sent twice gets a token that does not expire soon`() {
        ForeignServer().use { other ->
            val client = world.signedIn(apiOrigins = listOf(other.url))
            val before = runBlocking { client.accessToken() }
            // The app learns the server's clock by its next answer.
            world.advance(871)
            runBlocking { client.profile() }
            val body = object : RequestBody() {
                override fun contentType() = null

                override fun isOneShot() = true

                override fun writeTo(sink: BufferedSink) {
                    sink.writeUtf8("green tea")
                }
            }
            val request = Request.Builder().url(other.url).post(body).build()
            http(client).newCall(request).execute().use { assertEquals(401, it.code) }
            assertEquals(1, other.requests)
            assertTrue(other.authorization!!.startsWith("Bearer "))
            assertNotEquals(before.header, other.authorization)
        }
    }

    @Test
    fun `request with its own authorization is sent as it is`() {
        val request = Request.Builder().url(account).header("Authorization", "Bearer another").build()
        http(world.signedIn()).newCall(request).execute().use { assertEquals(401, it.code) }
        assertEquals(0, world.count(REFRESH))
    }

    @Test
    fun `request without a signed-in user fails and is not sent`() {
        val error = assertThrows(NoTokenException::class.java) { http(world.client()).get(account) }
        assertInstanceOf(PropuskException.SignedOut::class.java, error.cause)
        assertEquals(0, world.count(ACCOUNT))
    }
}
