// The access token for `java.net.http.HttpClient`: attached to each request, replaced once after a 401.
package org.propusk.desktop

import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.net.http.HttpResponse.BodyHandler
import kotlinx.coroutines.future.await
import org.propusk.AccessToken
import org.propusk.Client
import org.propusk.RefusedEndpoints

/**
 * Sends requests to the app's own API with the access token of [client]. [http] must not follow redirects, because it
 * would send the token to other origins.
 */
public class PropuskHttpClient(
    private val client: Client,
    private val http: HttpClient = HttpClient.newHttpClient(),
) {
    private val refused = RefusedEndpoints()

    init {
        require(http.followRedirects() == HttpClient.Redirect.NEVER) {
            "an HTTP client that follows redirects would send the access token to other origins"
        }
    }

    /**
     * Sends the request with the access token, and once more with another one if it is refused. The body of [request]
     * must be one that can be sent twice, such as text, bytes or a file.
     *
     * Throws [IllegalArgumentException] for an origin that is neither the server's nor one of
     * [ClientOptions.apiOrigins][org.propusk.ClientOptions.apiOrigins], [org.propusk.PropuskException] if there is no
     * token, and [java.io.IOException] as [HttpClient] does.
     */
    public suspend fun <T> send(request: HttpRequest.Builder, body: BodyHandler<T>): HttpResponse<T> {
        val url = request.copy().build().uri()
        require(client.isAllowedOrigin(url.toString())) { "the access token must not be sent to this origin" }
        val token = client.accessToken()
        val response = request.sendWith(token, body)
        if (response.statusCode() != 401 || !refused.mayRenew(url)) return response
        val next = client.replaceAccessToken(token)
        if (next == token) return response
        val second = request.sendWith(next, body)
        if (second.statusCode() == 401) refused.noteRefusal(url)
        return second
    }

    private suspend fun <T> HttpRequest.Builder.sendWith(token: AccessToken, body: BodyHandler<T>): HttpResponse<T> =
        http.sendAsync(copy().setHeader("Authorization", token.header).build(), body).await()
}
