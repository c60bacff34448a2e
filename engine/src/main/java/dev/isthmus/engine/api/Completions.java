package dev.isthmus.engine.api;

import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.BeamSearch;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.Sequence;
import dev.isthmus.engine.session.TextBranches;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** Finds whole continuations of a session's text, several at a time. */
final class Completions {

    private Completions() {}

    /** The continuations that a beam search finds, the best first. */
    static List<Completion> byBeams(LoadedModel model, Sequence text, float[] logits, GenerationOptions options,
            BeamOptions beams, BooleanSupplier cancelled) {
        int[] prompt = text.tokens();
        Set<Integer> endOfText = options.stopAtEndOfText() ? Set.copyOf(model.config().endOfText()) : Set.of();
        BeamSearch.Settings settings = new BeamSearch.Settings(beams.beams(), beams.lengthPenalty(),
                beams.earlyStopping() == BeamOptions.EarlyStopping.YES,
                beams.earlyStopping() == BeamOptions.EarlyStopping.NEVER, options.maxTokens(), endOfText,
                options.rules());
        try (TextBranches hypotheses = new TextBranches(model, text, probe(cancelled))) {
            return BeamSearch.search(prompt, logits, settings, hypotheses).stream()
                    .map(found -> completion(model, found.tokens(), found.score(), endOfText)).toList();
        }
    }

    private static Completion completion(LoadedModel model, int[] ids, double score, Set<Integer> endOfText) {
        boolean ended = endOfText.contains(ids[ids.length - 1]);
        int[] shown = ended ? Arrays.copyOf(ids, ids.length - 1) : ids;
        return new Completion(Arrays.stream(ids).boxed().toList(),
                model.tokenizer().tokenizer().map(tokenizer -> tokenizer.decode(shown)).orElse(""), score,
                ended ? FinishReason.END_OF_TEXT : FinishReason.MAX_TOKENS);
    }

    /** Continuations with one seed after another, those first whose tokens are the likeliest on average. */
    static List<Completion> bySampling(LoadedModel model, Sequence text, float[] logits, GenerationOptions options,
            int candidates, BooleanSupplier cancelled) {
        List<Completion> found = new BestOf(model, text, logits, options, cancelled).sample(candidates);
        found.sort(Comparator.comparingDouble(Completion::score).reversed());
        return List.copyOf(found);
    }

    /** A probe that ends a pass when the caller says so. */
    static LayerProbe probe(BooleanSupplier cancelled) {
        return LayerProbe.ending(cancelled);
    }
}
