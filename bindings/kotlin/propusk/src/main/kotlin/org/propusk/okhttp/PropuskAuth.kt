// The access token for OkHttp: an interceptor attaches it, an authenticator replaces it once after a 401.
package org.propusk.okhttp

import java.io.IOException
import java.io.InterruptedIOException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import okhttp3.Authenticator
import okhttp3.Interceptor
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import okhttp3.Route
import org.propusk.AccessToken
import org.propusk.Client
import org.propusk.PropuskException

/** The token of a request, kept with it. */
private class SentToken(val token: AccessToken, val isReplacement: Boolean)

private const val AUTHORIZATION = "Authorization"

/** No token can be had now; [cause] says how to react. OkHttp expects an [IOException]. */
public class NoTokenException internal constructor(override val cause: PropuskException) :
    IOException(cause.message, cause)

/**
 * Attaches the access token of [client] to requests at its own origins: the server's and those of
 * [ClientOptions.apiOrigins][org.propusk.ClientOptions.apiOrigins]. Other requests, and requests with an
 * `Authorization` header, are sent as they are. Before a body that cannot be sent twice, a token that
 * expires soon is renewed, if that is possible now. [limit] is how long a request waits for a token.
 */
public fun OkHttpClient.Builder.propusk(client: Client, limit: Duration = 30.seconds): OkHttpClient.Builder {
    val auth = PropuskAuth(client, limit)
    return addInterceptor(auth).authenticator(auth)
}

/** Both halves of [propusk], for clients that combine them with others. */
public class PropuskAuth(private val client: Client, private val limit: Duration = 30.seconds) :
    Interceptor, Authenticator {
    override fun intercept(chain: Interceptor.Chain): Response {
        val request = chain.request()
        if (request.header(AUTHORIZATION) != null || !client.isAllowedOrigin(request.url.toString())) {
            return chain.proceed(request)
        }
        val isUnrepeatable = request.body?.run { isOneShot() || isDuplex() } ?: false
        val token = blocking { client.accessToken(fresh = isUnrepeatable) }
        val response = chain.proceed(request.with(SentToken(token, isReplacement = false)))
        // Not an answer of the cache.
        if (response.isSuccessful && response.networkResponse != null && response.request.sentToken() != null) {
            client.noteAccepted(response.request.url.toString())
        }
        return response
    }

    /** The request with another token; `null` if there is none or if it would not help. */
    override fun authenticate(route: Route?, response: Response): Request? {
        val request = response.request
        val sent = request.sentToken()?.takeUnless { it.isReplacement } ?: return null
        val next = blocking { client.tokenAfterRefusal(request.url.toString(), sent.token) } ?: return null
        return request.with(SentToken(next, isReplacement = true))
    }

    /** A redirect may have led to a foreign origin: OkHttp has then removed the header. */
    private fun Request.sentToken(): SentToken? =
        tag(SentToken::class.java)?.takeIf { header(AUTHORIZATION) == it.token.header }

    private fun Request.with(sent: SentToken): Request =
        newBuilder().header(AUTHORIZATION, sent.token.header).tag(SentToken::class.java, sent).build()

    /** OkHttp calls from threads of its own, which may block. */
    private fun <T> blocking(call: suspend () -> T): T =
        try {
            runBlocking { withTimeout(limit) { call() } }
        } catch (error: PropuskException) {
            throw NoTokenException(error)
        } catch (_: TimeoutCancellationException) {
            throw InterruptedIOException("no access token within $limit")
        } catch (_: InterruptedException) {
            Thread.currentThread().interrupt()
            throw InterruptedIOException("interrupted")
        }
}
