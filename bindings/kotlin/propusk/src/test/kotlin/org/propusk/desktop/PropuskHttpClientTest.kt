// The access token for java.net.http.
package org.propusk.desktop

import java.io.FilterInputStream
import java.io.InputStream
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse.BodyHandler
import java.net.http.HttpResponse.BodyHandlers
import java.net.http.HttpResponse.BodySubscribers
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.propusk.PropuskException
import org.propusk.fixture.ACCOUNT
import org.propusk.fixture.EMAIL
import org.propusk.fixture.REFRESH
import org.propusk.fixture.World
import org.propusk.okhttp.ForeignServer

private class RecordedStream(stream: InputStream) : FilterInputStream(stream) {
    @Volatile
    var isClosed = false

    override fun close() {
        isClosed = true
        super.close()
    }
}

class PropuskHttpClientTest {
    private val world = World()

    @AfterEach
    fun close() = world.close()

    private fun PropuskHttpClient.get(url: String) =
        runBlocking { send(HttpRequest.newBuilder(URI(url)), BodyHandlers.ofString()) }

    @Test
    fun `token is attached, and replaced once after a 401`() {
        val http = PropuskHttpClient(world.signedIn())
        val account = "${world.server}/propusk/v1/account"
        assertTrue(EMAIL in http.get(account).body())
        world.expireAccessTokens()
        assertEquals(200, http.get(account).statusCode())
        assertEquals(1, world.count(REFRESH))
        assertEquals(3, world.count(ACCOUNT))
    }

    @Test
    fun `endpoint that refuses every token causes one renewal, whichever HTTP client is used`() {
        val client = world.signedIn()
        repeat(5) { world.answerNext("GET /no/such/endpoint", 401) }
        val codes = List(4) { PropuskHttpClient(client).get("${world.server}/no/such/endpoint").statusCode() }
        assertEquals(List(4) { 401 }, codes)
        assertEquals(1, world.count(REFRESH))
        assertEquals(5, world.count("GET /no/such/endpoint"))
    }

    @Test
    fun `endpoint that has accepted a token may cause a renewal again`() {
        val http = PropuskHttpClient(world.signedIn())
        repeat(2) {
            world.answerNext(ACCOUNT, 401)
            assertEquals(200, http.get("${world.server}/propusk/v1/account").statusCode())
        }
        assertEquals(2, world.count(REFRESH))
    }

    @Test
    fun `body of a refusal is closed before the request is sent again`() {
        val http = PropuskHttpClient(world.signedIn())
        val account = HttpRequest.newBuilder(URI("${world.server}/propusk/v1/account"))
        val bodies = mutableListOf<RecordedStream>()
        val recorded = BodyHandler<InputStream> { _ ->
            // The headers of the next answer have arrived.
            assertTrue(bodies.all { it.isClosed })
            BodySubscribers.mapping(BodySubscribers.ofInputStream()) { RecordedStream(it).also(bodies::add) }
        }
        world.answerNext(ACCOUNT, 401, body = "no")
        val response = runBlocking { http.send(account, recorded) }
        assertEquals(listOf(true, false), bodies.map { it.isClosed })
        assertTrue(EMAIL in response.body().use { it.readBytes().decodeToString() })

        world.answerNext(ACCOUNT, 401, body = "no")
        world.answerNext(REFRESH, 503, mapOf("Retry-After" to "7"))
        assertThrows(PropuskException.RetryLater::class.java) { runBlocking { http.send(account, recorded) } }
        assertEquals(listOf(true, true, true), bodies.map { it.isClosed })
    }

    @Test
    fun `body of a refusal that is returned can be read`() {
        val http = PropuskHttpClient(world.signedIn())
        repeat(3) { world.answerNext("GET /no/such/endpoint", 401, body = "no") }
        val request = HttpRequest.newBuilder(URI("${world.server}/no/such/endpoint"))
        repeat(2) {
            val response = runBlocking { http.send(request, BodyHandlers.ofInputStream()) }
            assertEquals("no", response.body().use { it.readBytes().decodeToString() })
        }
    }

    @Test
    fun `foreign origin gets nothing`() {
        ForeignServer().use { foreign ->
            val http = PropuskHttpClient(world.signedIn())
            assertThrows(IllegalArgumentException::class.java) { http.get(foreign.url) }
            assertEquals(0, foreign.requests)
        }
    }

    @Test
    fun `client that follows redirects is refused`() {
        val following = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build()
        assertThrows(IllegalArgumentException::class.java) { PropuskHttpClient(world.client(), following) }
    }
}
