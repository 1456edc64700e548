// The access token for `java.net.http.HttpClient`: attached to each request, replaced once after a 401.
package org.propusk.desktop

import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.net.http.HttpResponse.BodyHandler
import kotlinx.coroutines.future.await
import org.propusk.AccessToken
import org.propusk.Client

/**
 * Sends requests to the app's own API with the access token of [client]. [http] must not follow redirects, because it
 * would send the token to other origins.
 */
public class PropuskHttpClient(
    private val client: Client,
    private val http: HttpClient = HttpClient.newHttpClient(),
) {
    init {
        require(http.followRedirects() == HttpClient.Redirect.NEVER) {
            "an HTTP client that follows redirects would send the access token to other origins"
        }
    }

    /**
     * Sends the request with the access token, and once more with another one if it is refused. The body of [request]
     * must be one that can be sent twice, such as text, bytes or a file. A [body] handler that writes into a file needs
     * the option `TRUNCATE_EXISTING`, because it may get two answers.
     *
     * Throws [IllegalArgumentException] for an origin that is neither the server's nor one of
     * [ClientOptions.apiOrigins][org.propusk.ClientOptions.apiOrigins], [org.propusk.PropuskException] if there is no
     * token, and [java.io.IOException] as [HttpClient] does.
     */
    public suspend fun <T> send(request: HttpRequest.Builder, body: BodyHandler<T>): HttpResponse<T> {
        val url = request.copy().build().uri().toString()
        require(client.isAllowedOrigin(url)) { "the access token must not be sent to this origin" }
        val token = client.accessToken()
        val response = request.sendWith(token, body)
        if (response.statusCode() != 401) return response
        val next = try {
            client.tokenAfterRefusal(url, token) ?: return response
        } catch (error: Throwable) {
            response.discard()
            throw error
        }
        response.discard()
        return request.sendWith(next, body)
    }

    private suspend fun <T> HttpRequest.Builder.sendWith(token: AccessToken, body: BodyHandler<T>): HttpResponse<T> {
        val request = copy().setHeader("Authorization", token.header).build()
        val response = http.sendAsync(request, body).await()
        if (response.statusCode() in 200..299) client.noteAccepted(response.uri().toString())
        return response
    }

    /** Frees the connection, which a body that is a stream keeps until it is read or closed. */
    private fun HttpResponse<*>.discard() {
        try {
            (body() as? AutoCloseable)?.close()
        } catch (_: Exception) {
            // The answer is not used.
        }
    }
}
