"""Checks of scikit-learn that cannot pass here, with the checks that replace them.

The checks of scikit-learn pass tables, since no tag describes paths, crops, or arrays
of four and more axes (scikit-learn issue 14057). A tag could only disable all checks.
Instead, checks that cannot pass are listed. An entry begins with the name of the
replacement, or with "none:" and the reason. A replacement is in `common.checks`, or is
a check of scikit-learn on detectors that take tables.
"""

from __future__ import annotations

from typing import Any

from common.estimators import OnTables
from sklearn.base import is_classifier
from sklearn.utils import get_tags

# Steps take paths, clips, crops or faces.
OF_TRANSFORMERS = {
    "check_dict_unchanged": "check_answers_stay_the_same",
    "check_estimator_sparse_tag": "none: `fit` learns nothing and does not check X; "
    "`transform` does (check_samples_of_another_kind_are_refused)",
    "check_estimators_dtypes": "check_samples_of_another_kind_are_refused",
    "check_estimators_pickle": "check_pickle_gives_the_same_answers",
    "check_f_contiguous_array_estimator": "check_order_in_memory_does_not_matter",
    "check_fit_idempotent": "check_fitting_again_forgets",
    "check_fit_score_takes_y": "check_step_of_a_pipeline_gives_the_same",
    "check_methods_sample_order_invariance": "check_answers_keep_the_order_of_the_"
    "samples",
    "check_methods_subset_invariance": "check_answers_do_not_depend_on_the_other_"
    "samples",
    "check_pipeline_consistency": "check_step_of_a_pipeline_gives_the_same",
    "check_transformer_general": "check_transformer_learns_nothing",
    "check_transformer_preserve_dtypes": "none: faces are uint8, and features have "
    "the parameter `dtype`",
    "check_transformers_unfitted_stateless": "check_transformer_learns_nothing",
}

# Checks that also pass tables to `fit`, which transformers that learn refuse.
_REFUSED = "check_samples_of_another_kind_are_refused"
OF_LEARNING_TRANSFORMERS = {
    **OF_TRANSFORMERS,
    **dict.fromkeys(
        [
            "check_complex_data",
            "check_dont_overwrite_parameters",
            "check_dtype_object",
            "check_estimator_sparse_array",
            "check_estimator_sparse_matrix",
            "check_estimator_sparse_tag",
            "check_estimators_empty_data_messages",
            "check_estimators_fit_returns_self",
            "check_estimators_nan_inf",
            "check_estimators_overwrite_params",
            "check_fit2d_1feature",
            "check_fit2d_1sample",
            "check_fit2d_predict1d",
            "check_fit_check_is_fitted",
            "check_n_features_in",
            "check_n_features_in_after_fitting",
            "check_positive_only_tag_during_fit",
            "check_readonly_memmap_input",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
        ],
        _REFUSED,
    ),
}
del OF_LEARNING_TRANSFORMERS["check_transformers_unfitted_stateless"]

# Failures due to the base class in scikeras, which is not maintained.
OF_SCIKERAS = {
    "check_estimator_tags_renamed": "none: scikeras defines old and new tags; "
    "`get_tags` returns the new ones (test_model_selection.py)",
    "check_mixin_order": "none: scikeras lists its mixins in the wrong order; a class "
    "fixes the consequences (test_model_selection.py)",
    "check_do_not_raise_errors_in_init_or_set_params": "none: the check mistakes "
    "**routed, which collects parameters such as optimizer__clipnorm, for a parameter "
    "(check_unknown_parameters_are_refused)",
}

# Checks that pass on detectors that take tables.
ON_TABLES_INSTEAD = [
    "check_all_zero_sample_weights_error",
    "check_class_weight_classifiers",
    "check_classifier_data_not_an_array",
    "check_classifier_not_supporting_multiclass",
    "check_classifiers_classes",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_regression_target",
    "check_classifiers_train",
    "check_complex_data",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
    "check_supervised_y_2d",
]
UNEQUAL_WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data": "check_detector_weighs_samples, "
    "since a duplicated sample counts twice in the batch size and in batch "
    "normalization, but a sample of weight 2 counts once"
}
OF_DETECTORS = {
    **OF_SCIKERAS,
    **UNEQUAL_WEIGHTS,
    **{name: f"{name} on tables" for name in ON_TABLES_INSTEAD},
}
OF_DETECTORS_ON_TABLES = {**OF_SCIKERAS, **UNEQUAL_WEIGHTS}


def expected_failures(estimator: Any) -> dict[str, str]:
    """Return the checks of scikit-learn that fail for an estimator, with the reason."""
    if isinstance(estimator, OnTables):
        return OF_DETECTORS_ON_TABLES
    if is_classifier(estimator):
        return OF_DETECTORS
    learns = get_tags(estimator).requires_fit
    return OF_LEARNING_TRANSFORMERS if learns else OF_TRANSFORMERS
