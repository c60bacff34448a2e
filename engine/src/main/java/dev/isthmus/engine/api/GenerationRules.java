package dev.isthmus.engine.api;

import dev.isthmus.engine.sampling.LogitsRule;
import dev.isthmus.engine.sampling.LogitsRules;
import dev.isthmus.engine.sampling.TokenHistory;
import java.util.ArrayList;
import java.util.List;

/** Turns {@link GenerationOptions} into the rules that change the logits before temperature and truncation. */
final class GenerationRules {

    private GenerationRules() {}

    /** The rules of options, in the order in which they run. */
    static List<LogitsRule> of(GenerationOptions options) {
        List<LogitsRule> rules = new ArrayList<>();
        if (!options.logitBias().isEmpty()) {
            rules.add(LogitsRules.bias(options.logitBias()));
        }
        if (options.repetitionPenalty() != 1) {
            rules.add(LogitsRules.repetitionPenalty(options.repetitionPenalty()));
        }
        if (options.noRepeatNgram() > 0) {
            rules.add(LogitsRules.noRepeatNgram(options.noRepeatNgram()));
        }
        if (!options.banned().isEmpty()) {
            rules.add(LogitsRules.banned(options.banned()));
        }
        options.forcedFirst().ifPresent(id -> rules.add(LogitsRules.forced(id, 0)));
        options.forcedLast().ifPresent(id -> rules.add(LogitsRules.forced(id, options.maxTokens() - 1)));
        if (options.presencePenalty() != 0 || options.frequencyPenalty() != 0) {
            rules.add(LogitsRules.countPenalty(options.presencePenalty(), options.frequencyPenalty()));
        }
        for (LogitsProcessor processor : options.processors()) {
            rules.add((TokenHistory history, float[] logits) -> processor.process(history.toArray(), logits));
        }
        return rules;
    }
}
