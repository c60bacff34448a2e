package dev.isthmus.tools.parity;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.zip.GZIPInputStream;

/** The published numbers, each with its source, as they lie in {@code dev/isthmus/tools/published}. */
final class PublishedNumbers {

    private static final String FOLDER = "/dev/isthmus/tools/published/";
    private static final String ENTRIES = FOLDER + "published-gpt2.json";
    private static final String EXPLAINER = FOLDER + "published-gpt2-explainer.json.gz";

    private PublishedNumbers() {}

    /** All entries. */
    static List<PublishedEntry> entries() {
        try (InputStream in = PublishedNumbers.class.getResourceAsStream(ENTRIES)) {
            return Tree.read(in, "published-gpt2.json").list().stream().map(PublishedEntry::of).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The examples of transformer-explainer: prompts with all logits of the last position and all attention, of GPT-2's
     * weights with the activation {@code gelu}.
     */
    static List<Tree> explainerExamples() {
        try (InputStream in = PublishedNumbers.class.getResourceAsStream(EXPLAINER);
                InputStream text = new GZIPInputStream(in)) {
            return Tree.read(text, "published-gpt2-explainer.json").get("examples").list();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
