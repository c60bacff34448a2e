package dev.isthmus.engine.model;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.memory.MemoryBudget;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/**
 * The memory that a model's weights need.
 *
 * @param path the model, for the message
 * @param types what the matrices that are copied are kept as
 * @param bytes what the copies need
 * @param bytesAs what they would need with all matrices of another type
 * @param packs whether packed files would be mapped and not copied
 */
record WeightDemand(Path path, List<WeightType> types, long bytes, ToLongFunction<WeightType> bytesAs, boolean packs) {

    /**
     * Announces that they are about to be read.
     *
     * @return to be closed when they have been
     * @throws OutOfMemoryException if they do not fit; says what would
     */
    MemoryBudget.Loading announce(MemoryBudget budget) {
        MemoryBudget.Loading loading = budget.load(bytes);
        if (loading.shortage() == null) {
            return loading;
        }
        loading.close();
        throw new OutOfMemoryException("opening " + path + ": the weights need " + megabytes(bytes) + " as "
                + types.stream().map(WeightType::name).collect(Collectors.joining(" and ")) + ", and "
                + loading.shortage().limit() + "; " + remedies(loading.shortage().available()), null);
    }

    private String remedies(long available) {
        List<String> remedies = new ArrayList<>();
        List<WeightType> smaller = Arrays.stream(WeightType.values())
                .filter(type -> bytesAs.applyAsLong(type) <= available).toList();
        if (!smaller.isEmpty()) {
            remedies.add("keep them by ModelOptions.withWeights as " + smaller.stream()
                    .map(type -> type.name() + " (" + megabytes(bytesAs.applyAsLong(type)) + ")")
                    .collect(Collectors.joining(" or ")));
        }
        if (packs) {
            remedies.add("use a packed model, whose matrices are mapped from their file and not copied");
        }
        remedies.add("close other models and programs");
        remedies.add("give the process more memory");
        return String.join(", ", remedies.subList(0, remedies.size() - 1)) + ", or " + remedies.getLast();
    }

    private static String megabytes(long bytes) {
        return Math.round(bytes / 1e6) + " MB";
    }
}
