// Opens the desktop's default browser.
package org.propusk.desktop

import java.awt.Desktop
import java.io.IOException
import java.lang.ProcessBuilder.Redirect.DISCARD
import java.net.URI
import org.propusk.Browser

/** The default browser of the desktop. */
public object DesktopBrowser : Browser {
    override fun openUrl(url: String) {
        if (Desktop.isDesktopSupported() && Desktop.getDesktop().isSupported(Desktop.Action.BROWSE)) {
            Desktop.getDesktop().browse(URI(url))
        } else {
            // Linux desktops without GTK 2, on which Java cannot browse.
            val opened = ProcessBuilder("xdg-open", url).redirectOutput(DISCARD).redirectError(DISCARD).start()
            if (opened.waitFor() != 0) throw IOException("no browser can be opened")
        }
    }
}
