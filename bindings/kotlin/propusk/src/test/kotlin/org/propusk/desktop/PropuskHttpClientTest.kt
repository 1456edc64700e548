// The access token for java.net.http.
package org.propusk.desktop

import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse.BodyHandlers
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.propusk.fixture.ACCOUNT
import org.propusk.fixture.EMAIL
import org.propusk.fixture.REFRESH
import org.propusk.fixture.World
import org.propusk.okhttp.ForeignServer

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
    fun `endpoint that refuses every token causes one renewal`() {
        val http = PropuskHttpClient(world.signedIn())
        repeat(3) { world.answerNext("GET /no/such/endpoint", 401) }
        repeat(2) { assertEquals(401, http.get("${world.server}/no/such/endpoint").statusCode()) }
        assertEquals(1, world.count(REFRESH))
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
