// What the rules for backups exclude.
package org.propusk.android

import android.content.Context
import android.content.ContextWrapper
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class BackupRulesTest {
    @Test
    fun `vault is in the folder that Android never backs up`() {
        val context: Context = object : ContextWrapper(null) {
            override fun getNoBackupFilesDir() = File("/data/user/0/org.example.app/no_backup")
        }
        assertEquals(File("/data/user/0/org.example.app/no_backup/propusk"), vaultFolder(context))
    }

    @Test
    fun `rules exclude a vault in the app's files from every kind of backup`() {
        val kinds = mapOf(
            "propusk_backup_rules" to listOf("full-backup-content"),
            "propusk_data_extraction_rules" to listOf("cloud-backup", "device-transfer"),
        )
        for ((name, sections) in kinds) {
            val rules = DocumentBuilderFactory.newInstance().newDocumentBuilder()
                .parse(File("src/main/res/xml/$name.xml"))
            val excluded = rules.getElementsByTagName("exclude")
            val found = (0 until excluded.length).map { excluded.item(it) }
            assertEquals(sections, found.map { it.parentNode.nodeName })
            for (node in found) {
                assertEquals("file", node.attributes.getNamedItem("domain").nodeValue)
                assertEquals("$FOLDER/", node.attributes.getNamedItem("path").nodeValue)
            }
        }
    }
}
