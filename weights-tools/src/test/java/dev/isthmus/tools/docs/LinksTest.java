package dev.isthmus.tools.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The links of all pages, and how long the first of them is. */
class LinksTest {

    private static final int MAX_README_WORDS = 1300;

    @Test
    void linksLeadToFilesAndHeadings() throws IOException {
        List<String> broken = new ArrayList<>();
        int links = 0;
        for (Page page : Page.all()) {
            for (String link : page.links()) {
                links++;
                if (!link.matches("https?://.*") && !leadsSomewhere(page, link)) {
                    broken.add(page.name() + ": " + link);
                }
            }
        }
        assertEquals(List.of(), broken);
        assertTrue(links > 20, "the links are where this test looks for them");
    }

    private static boolean leadsSomewhere(Page page, String link) throws IOException {
        String[] parts = link.split("#", 2);
        Path target = parts[0].isEmpty() ? page.path() : page.path().resolveSibling(parts[0]).normalize();
        if (!target.startsWith(Page.ROOT) || !Files.exists(target)) {
            return false;
        }
        return parts.length == 1 || Page.of(target, Files.readAllLines(target)).anchors().contains(parts[1]);
    }

    @Test
    void everyPageOfDocsIsReachedFromTheReadme() throws IOException {
        List<String> reached = Page.named("README.md").links();
        for (Page page : Page.all()) {
            if (page.name().startsWith("docs/")) {
                assertTrue(reached.contains(page.name()), () -> "README.md has no link to " + page.name());
            }
        }
    }

    @Test
    void theReadmeIsShort() throws IOException {
        long words = Arrays.stream(Files.readString(Page.ROOT.resolve("README.md")).split("\\s+")).count();
        assertTrue(words <= MAX_README_WORDS, () -> words + " words; move some to docs/");
    }

    @Test
    void aLinkToNothingIsSeen() throws IOException {
        Page page = Page.named("README.md");
        assertTrue(leadsSomewhere(page, "docs/cli.md#exit-codes"));
        for (String link : List.of("docs/cli.md#no-such-heading", "docs/none.md", "../outside.md")) {
            assertEquals(false, leadsSomewhere(page, link), link);
        }
    }
}
