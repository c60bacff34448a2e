package dev.isthmus.tools.parity;

import java.util.NoSuchElementException;

/** What is done with a published entry. */
sealed interface Plan {

    /** It is checked on a model of the entry's name. */
    record Run(Check check) implements Plan {}

    /** It is checked on that model's weights with the activation {@code gelu}. */
    record RunWithGelu(Check check) implements Plan {}

    /** It is not checked on any model. */
    record Skip(String reason) implements Plan {}

    /**
     * The plan of an entry. Its expected numbers are read at once.
     *
     * @throws NoSuchElementException if the entry has a kind or shape that is not known
     */
    static Plan of(PublishedEntry entry) {
        if (entry.confidence().startsWith("DOUBTFUL")) {
            return new Skip("the collection itself marks it as doubtful: " + entry.notes());
        }
        return switch (entry.kind()) {
            case "logits" -> entry.id().startsWith("explainer-")
                    ? new RunWithGelu(ExplainerChecks.summary(entry))
                    : new Run(LogitsChecks.of(entry));
            case "hidden" -> new Run(HiddenChecks.of(entry));
            case "greedy" -> new Run(GreedyChecks.of(entry));
            case "logprob" -> new Run(LogprobChecks.of(entry));
            case "loss" -> entry.id().equals("llmc-10-step-losses")
                    ? new Skip("losses of ten training steps; the first, before training, is llmc-first-batch-loss")
                    : new Run(LossChecks.of(entry));
            case "identity" -> new Run(IdentityChecks.of(entry));
            case "tokenizer" -> new Run(TokenizerChecks.encoding(entry));
            case "pretokenizer" -> new Run(TokenizerChecks.pieces(entry));
            case "metric" -> new Skip("needs a data set that does not come with isthmus");
            case "beam" -> entry.expected().has("num_beam_groups")
                    ? new Skip("needs beam search in groups that avoid each other, which isthmus does not have")
                    : new Run(BeamChecks.of(entry));
            case "contrastive" -> new Skip("needs contrastive search, which isthmus does not have");
            default -> throw new NoSuchElementException(entry.id() + ": unknown kind " + entry.kind());
        };
    }
}
