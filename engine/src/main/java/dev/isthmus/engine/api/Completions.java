package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.BeamSearch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** Finds whole continuations in sessions of its own. */
final class Completions {

    private Completions() {}

    /** The continuations that a beam search finds, the best first. */
    static List<Completion> byBeams(Model model, int[] prompt, float[] logits, GenerationOptions options,
            BeamOptions beams, BooleanSupplier cancelled) {
        Set<Integer> endOfText = options.stopAtEndOfText() ? Set.copyOf(model.config().endOfText()) : Set.of();
        BeamSearch.Settings settings = new BeamSearch.Settings(beams.beams(), beams.lengthPenalty(),
                beams.earlyStopping() == BeamOptions.EarlyStopping.YES,
                beams.earlyStopping() == BeamOptions.EarlyStopping.NEVER, options.maxTokens(), endOfText,
                options.rules());
        try (SessionHypotheses hypotheses = new SessionHypotheses(model, prompt, probe(cancelled))) {
            return BeamSearch.search(prompt, logits, settings, hypotheses).stream()
                    .map(found -> completion(model, found.tokens(), found.score(), endOfText)).toList();
        }
    }

    private static Completion completion(Model model, int[] ids, double score, Set<Integer> endOfText) {
        boolean ended = endOfText.contains(ids[ids.length - 1]);
        int[] shown = ended ? Arrays.copyOf(ids, ids.length - 1) : ids;
        return new Completion(Arrays.stream(ids).boxed().toList(),
                model.tokenizer().map(tokenizer -> tokenizer.decode(shown)).orElse(""), score,
                ended ? FinishReason.END_OF_TEXT : FinishReason.MAX_TOKENS);
    }

    /** Continuations with one seed after another, those first whose tokens are the likeliest on average. */
    static List<Completion> bySampling(Model model, int[] prompt, GenerationOptions options, int candidates,
            BooleanSupplier cancelled) {
        List<Completion> found = new ArrayList<>();
        try (Session session = model.newSession()) {
            session.appendFrom(prompt, prompt.length - 1, (position, row) -> {}, probe(cancelled));
            for (int i = 0; i < candidates; i++) {
                session.rewind(prompt.length);
                found.add(sampled(session, options.toBuilder().seed(options.seed() + i).logprobs(0).build(),
                        cancelled));
            }
        }
        found.sort(Comparator.comparingDouble(Completion::score).reversed());
        return List.copyOf(found);
    }

    private static Completion sampled(Session session, GenerationOptions options, BooleanSupplier cancelled) {
        List<Integer> ids = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        double sum = 0;
        Generation generation = session.generate(options, cancelled);
        for (Token token : generation) {
            ids.add(token.id());
            text.append(token.text());
            sum += token.logprob().orElseThrow();
        }
        FinishReason reason = generation.finishReason().orElseThrow();
        if (reason == FinishReason.CANCELLED) {
            throw new CancelledException("searching the best of several continuations: cancelled by the caller");
        }
        return new Completion(ids, text.toString(), sum / ids.size(), reason);
    }

    /** A probe that ends a pass when the caller says so. */
    static LayerProbe probe(BooleanSupplier cancelled) {
        return LayerProbe.ending(cancelled);
    }
}
