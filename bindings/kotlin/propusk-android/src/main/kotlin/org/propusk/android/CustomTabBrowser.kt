// Opens the provider's page in a tab of the user's browser inside the app.
package org.propusk.android

import android.app.Activity
import android.content.Context
import android.content.ContextWrapper
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Bundle
import org.propusk.Browser

private const val EXTRA_SESSION = "android.support.customtabs.extra.SESSION"
private const val EXTRA_SHARE = "androidx.browser.customtabs.extra.SHARE_STATE"
private const val SHARE_OFF = 2

/**
 * A Custom Tab of the user's default browser; the browser itself if it has no tabs. Custom Tabs are a protocol of
 * intent extras, so this needs no other library.
 *
 * [context] should be the activity that starts the sign-in: the tab then belongs to its task, so that "back" returns to
 * it and [SignInLinkActivity] closes the tab. With another context the tab is a task of its own.
 */
public class CustomTabBrowser(private val context: Context) : Browser {
    override fun openUrl(url: String) {
        context.startActivity(customTabIntent(context, Uri.parse(url), defaultBrowser(context.packageManager)))
    }
}

/** [browser] is named so that no other app that handles the provider's links opens instead. */
internal fun customTabIntent(context: Context, url: Uri, browser: String?): Intent {
    // A tab without a session of its own: the extra is present and null.
    val extras = Bundle().apply { putBinder(EXTRA_SESSION, null) }
    return Intent(Intent.ACTION_VIEW, url)
        .addCategory(Intent.CATEGORY_BROWSABLE)
        .addFlags(if (context.isActivity()) 0 else Intent.FLAG_ACTIVITY_NEW_TASK)
        .setPackage(browser)
        .putExtras(extras)
        .putExtra(EXTRA_SHARE, SHARE_OFF)
}

/** Whether this is an activity, or a wrapper of one, such as for a theme. */
private fun Context.isActivity(): Boolean =
    generateSequence(this) { (it as? ContextWrapper)?.baseContext }.any { it is Activity }

/** The package of the default browser; `null` if the user has chosen none, so that the system asks. */
private fun defaultBrowser(packages: PackageManager): String? {
    val anyPage = Intent(Intent.ACTION_VIEW, Uri.fromParts("https", "", null)).addCategory(Intent.CATEGORY_BROWSABLE)
    val found = packages.resolveActivity(anyPage, PackageManager.MATCH_DEFAULT_ONLY)?.activityInfo?.packageName
    // The system's own chooser.
    return found.takeUnless { it == "android" }
}
