// The activity that the returning link opens.
package org.propusk.android

import android.app.Activity
import android.content.Intent
import android.os.Bundle

/**
 * Receives the link that returns from the browser, completes the sign-in and shows the app, which closes the Custom Tab.
 * Declare it in the app's manifest with the filter of the app's redirect, and implement [SignInLinkHost] in the
 * `Application`.
 */
public class SignInLinkActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        deliver(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        deliver(intent)
    }

    private fun deliver(intent: Intent?) {
        val host = application as? SignInLinkHost
            ?: throw IllegalStateException("the app's Application must implement SignInLinkHost")
        SignInLinks.linkOf(intent)?.let { SignInLinks.deliver(it, host) }
        // The app's own activity, above the tab of the browser, which is then closed.
        packageManager.getLaunchIntentForPackage(packageName)?.let {
            startActivity(it.addFlags(Intent.FLAG_ACTIVITY_CLEAR_TOP or Intent.FLAG_ACTIVITY_SINGLE_TOP))
        }
        finish()
    }
}
