package dev.isthmus.engine.model;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import java.util.Optional;

/** What tools put in front of all tensors' names when a model is saved inside a wrapper. */
final class ForeignPrefix {

    private ForeignPrefix() {}

    /**
     * The prefix under which a checkpoint has a weight.
     *
     * @param name transformers' name of the weight, without prefix
     * @return with its last dot; empty if no name ends in this one
     */
    static Optional<String> of(Checkpoint checkpoint, String name) {
        return checkpoint.tensors().stream().map(TensorInfo::name).filter(other -> other.endsWith("." + name))
                .map(other -> other.substring(0, other.length() - name.length()))
                .filter(prefix -> prefix.length() <= 100 && prefix.chars().noneMatch(Character::isISOControl))
                .findFirst();
    }

    /** Who puts this prefix there, and what to do. */
    static String remedy(String prefix) {
        if (prefix.contains("base_model.")) {
            return "PEFT puts base_model. in front of a model that holds adapters; merge them from Python with"
                    + " merge_and_unload() and save the result with save_pretrained(DIR)";
        }
        boolean compiled = prefix.contains("_orig_mod.");
        boolean parallel = prefix.contains("module.");
        String who = compiled && parallel ? "torch.compile puts _orig_mod. and DataParallel module. in front of the names"
                : compiled ? "torch.compile puts _orig_mod. in front of the names"
                : parallel ? "DataParallel, DistributedDataParallel and DeepSpeed put module. in front of the names"
                : "the prefix \"" + prefix + "\" is not one of GPT-2's";
        String inner = compiled && parallel ? "the innermost model, such as model.module._orig_mod,"
                : compiled ? "model._orig_mod" : parallel ? "model.module" : "the GPT2LMHeadModel inside";
        return who + "; save " + inner + " with save_pretrained(DIR), or rename the tensors";
    }
}
