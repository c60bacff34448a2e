package dev.isthmus.tools.parity;

import dev.isthmus.engine.config.Gpt2Config;
import java.util.Arrays;
import java.util.Optional;

/** The models that numbers are published of, told apart by their shapes. */
public enum PublishedModel {
    /** GPT-2 with 124 million parameters. */
    GPT2("gpt2", "openai-community", 12, 12, 768),
    /** DistilGPT2, with 82 million parameters. */
    DISTILGPT2("distilgpt2", "distilbert", 6, 12, 768),
    /** GPT-2 with 355 million parameters. */
    GPT2_MEDIUM("gpt2-medium", "openai-community", 24, 16, 1024),
    /** GPT-2 with 774 million parameters. */
    GPT2_LARGE("gpt2-large", "openai-community", 36, 20, 1280),
    /** GPT-2 with 1.6 billion parameters. */
    GPT2_XL("gpt2-xl", "openai-community", 48, 25, 1600);

    /** V, the same for all. */
    static final int VOCABULARY = 50257;

    /** The end-of-text token's id. */
    static final int END_OF_TEXT = 50256;

    private static final int CONTEXT = 1024;

    private final String title;
    private final String owner;
    private final int layers;
    private final int heads;
    private final int channels;

    PublishedModel(String title, String owner, int layers, int heads, int channels) {
        this.title = title;
        this.owner = owner;
        this.layers = layers;
        this.heads = heads;
        this.channels = channels;
    }

    /** The name in the published entries. */
    public String title() {
        return title;
    }

    /** The name on the Hugging Face hub. */
    String repository() {
        return owner + "/" + title;
    }

    /** The published model of this shape. */
    static Optional<PublishedModel> of(Gpt2Config config) {
        return Arrays.stream(values())
                .filter(model -> model.layers == config.layers() && model.heads == config.heads()
                        && model.channels == config.channels() && config.vocabulary() == VOCABULARY
                        && config.context() == CONTEXT)
                .findFirst();
    }
}
