"""What the contract of directories is about, in rows: which of its tests show each, and what holds where none can be run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Untried(Enum):
    """What holds for a directory that no real one was at hand of."""

    BUILT = "by specification"
    NOT = "not supported"


BUILT, NOT = Untried.BUILT, Untried.NOT


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row. `instead` are the tests of directories that do otherwise; `note` says how."""

    words: str
    tests: tuple[str, ...]
    instead: tuple[str, ...] = ()
    note: str = ""
    windows: Untried = BUILT
    freeipa: Untried = BUILT
    others: Untried = BUILT


BEHAVIOURS = (
    Behaviour(
        "Exactly one person is found, by any log-in attribute, as the directory compares names; two are ambiguous",
        (
            "a_person_is_found_by_login_without_regard_to_letter_case",
            "a_person_is_found_by_full_name_with_its_spaces",
            "a_person_is_found_by_mail_address_only_where_that_is_asked_for",
            "a_mail_address_that_two_people_have_is_ambiguous",
            "the_user_is_as_the_entry_says",
            "an_unknown_name_is_unknown",
            "a_name_that_two_people_share_is_ambiguous",
            "a_name_that_three_people_share_is_ambiguous",
            "many_people_can_be_looked_up_at_once",
            "a_look_up_that_is_given_up_harms_no_other",
        ),
    ),
    Behaviour(
        "Very many people are found by a filter, for links to all of them",
        ("people_are_found_by_a_filter_with_their_login_names", "what_is_no_filter_finds_nobody"),
    ),
    Behaviour("Hostile names and ids are data", ("a_hostile_name_is_data_and_unknown", "a_hostile_id_is_unknown")),
    Behaviour(
        "A link follows its person when renamed or moved, and never goes to a namesake",
        (
            "a_person_is_found_again_by_id",
            "a_removed_person_is_unknown_by_id",
            "the_password_goes_to_the_person_wherever_the_entry_is_by_now",
            "a_person_in_another_place_is_the_same",
            "nobody_leaves_a_protected_group_by_getting_another_place",
            "nobody_leaves_a_protected_group_by_getting_another_place_between_two_looks",
            "a_person_moved_out_of_the_domain_is_unknown_and_not_written_to",
            "a_namesake_in_the_place_of_a_person_is_somebody_else_and_not_written_to",
            "the_password_of_a_person_who_is_gone_cannot_be_set",
        ),
    ),
    Behaviour(
        "Protected people and groups, nested ones too; what cannot be resolved protects everybody",
        (
            "a_person_listed_by_dn_is_protected",
            "the_spelling_of_a_configured_dn_does_not_matter",
            "a_member_of_a_protected_group_is_protected",
            "a_member_of_a_group_in_a_protected_group_is_protected",
            "groups_that_hold_each_other_are_no_trap",
            "somebody_outside_the_protected_groups_is_not_protected",
            "a_manager_is_protected",
            "a_manager_is_not_protected_where_the_domain_says_so",
            "the_service_account_is_protected",
            "a_protected_dn_that_cannot_be_resolved_protects_everybody",
            "a_protected_dn_that_is_none_protects_everybody",
            "a_managers_dn_that_cannot_be_resolved_protects_everybody",
            "a_managers_dn_that_cannot_be_resolved_protects_nobody_where_managers_are_not_protected",
            "a_look_by_id_sees_a_new_protection_at_once",
            "a_look_by_id_sees_at_once_that_a_protection_has_ended",
        ),
    ),
    Behaviour(
        "A second factor is demanded of the members of groups, nested ones too; what cannot be resolved demands it of everybody",
        (
            "a_second_factor_is_demanded_of_members_nested_ones_too_and_of_nobody_else",
            "of_whom_it_cannot_be_told_a_second_factor_is_demanded",
            "without_such_groups_none_is_demanded",
            "a_person_is_known_to_one_time_passwords_by_the_attribute_that_is_configured",
        ),
    ),
    Behaviour(
        "Managers are found, and are members of a group, nested ones too",
        (
            "a_member_of_the_managers_group_is_a_manager",
            "a_member_of_a_nested_group_is_a_manager",
            "a_listed_person_is_a_manager",
            "nobody_else_is_a_manager",
            "without_configured_managers_nobody_is_one",
            "a_managers_dn_that_cannot_be_resolved_makes_nobody_a_manager",
            "a_new_membership_counts_at_once",
            "a_manager_is_found_by_login",
            "a_manager_is_found_by_dn",
            "an_unknown_manager_is_unknown",
            "a_dn_belongs_to_the_domain_whose_base_contains_it",
            "where_managers_are_looked_up_belongs_to_the_domain",
        ),
    ),
    Behaviour(
        "Groups ten deep, and of more than 1,500 members",
        (
            "a_member_ten_groups_deep_is_protected",
            "a_member_of_a_very_large_group_is_protected",
            "somebody_outside_a_very_large_group_is_not_protected",
            "a_member_ten_groups_deep_is_a_manager",
            "a_member_of_a_very_large_group_is_a_manager",
            "the_people_of_a_very_large_group_are_all_counted",
            "a_group_among_many_people_is_not_taken_for_one_of_them",
        ),
    ),
    Behaviour(
        "Whatever anybody changes in groups ten deep counts at the next question",
        (
            "a_new_member_ten_groups_deep_is_a_manager_at_once",
            "a_member_taken_out_ten_groups_deep_is_no_manager_any_more",
            "a_group_put_into_one_five_groups_deep_makes_managers_at_once",
            "a_group_taken_out_of_one_five_groups_deep_makes_no_managers_any_more",
            "a_group_that_is_gone_makes_no_managers_any_more",
        ),
    ),
    Behaviour(
        "A log-in is right or wrong; an empty password is never sent",
        (
            "the_right_password_is_right",
            "a_wrong_password_is_wrong",
            "a_password_that_is_none_is_wrong",
            "an_empty_password_is_never_sent",
            "a_dn_that_is_nobody_has_no_right_password",
            "the_right_password_of_a_locked_account_is_not_told",
        ),
    ),
    Behaviour(
        "A right password that has expired, or must be changed, is told apart",
        (
            "the_right_password_of_an_account_that_must_change_it_is_told_apart",
            "the_right_password_that_has_expired_is_told_apart",
            "a_wrong_password_is_wrong_although_it_has_expired",
        ),
        others=NOT,
    ),
    Behaviour(
        "The password is set, in all of Unicode, by many at once",
        (
            "the_person_logs_in_with_the_new_password",
            "a_password_may_hold_all_of_unicode_and_256_characters",
            "many_changes_of_one_person_at_once_all_end_well",
        ),
    ),
    Behaviour(
        "The old password is over at once",
        ("the_old_password_is_over", "after_a_change_the_old_password_is_over"),
        instead=("an_old_password_that_still_binds_is_no_failed_change",),
        note="Active Directory lets the old password bind for an hour; it is no sign of a failed change",
        windows=NOT,
    ),
    Behaviour(
        "A password changed elsewhere ends the link",
        ("both_marks_change_with_the_password", "a_change_elsewhere_shows_in_the_password_mark"),
        others=NOT,
    ),
    Behaviour(
        "After a lost answer it is found out whether the password was written",
        (
            "a_write_shows_to_have_happened_although_its_answer_was_lost",
            "a_former_password_is_not_taken_for_one_just_written",
        ),
    ),
    Behaviour(
        "The directory's rules are told before the first try",
        ("the_rules_are_told_before_the_first_try", "a_stricter_policy_asks_for_more_characters"),
        others=NOT,
    ),
    Behaviour(
        "Too short a password is refused with the number, and nothing changes",
        ("too_short_a_password_is_refused_with_the_number", "a_refused_password_changes_nothing"),
        others=NOT,
        note="FreeIPA: what only its second step refuses costs the person the old password; other servers refuse by "
        "result code, without a number",
    ),
    Behaviour(
        "The history holds",
        ("the_present_password_is_refused", "a_former_password_is_refused"),
        instead=("a_former_password_is_taken_where_resets_are_not_held_to_the_history",),
        note="Samba 4.17 knows no policy hints control, and holds a reset to length and complexity only",
        others=NOT,
    ),
    Behaviour(
        "The minimum age holds, and the page says how long to wait",
        ("a_change_soon_after_another_is_refused_where_the_policy_says_so",),
        instead=("a_change_soon_after_another_is_taken_where_resets_are_not_held_to_the_age",),
        note="Samba as for the history; FreeIPA's does not hold for a password that another one has set",
        freeipa=NOT,
        others=NOT,
    ),
    Behaviour(
        "Whoever knows the password changes it as himself; whoever does not changes nothing",
        (
            "whoever_knows_the_old_password_changes_it",
            "a_change_goes_with_all_of_unicode_and_256_characters",
            "a_change_needs_no_right_of_the_service_account_to_write",
            "whoever_does_not_know_the_old_password_changes_nothing",
            "a_password_that_was_replaced_changes_nothing_although_it_may_still_bind",
            "a_change_shows_in_the_marks",
        ),
    ),
    Behaviour(
        "A change is held to length and minimum age, on every directory",
        ("a_change_is_held_to_the_length", "a_change_is_held_to_the_minimum_age"),
        others=NOT,
    ),
    Behaviour(
        "A change is held to the history, and the page says so",
        ("a_change_is_held_to_the_history",),
        instead=("a_change_is_held_to_the_history_although_the_directory_does_not_tell_it_from_its_quality_check",),
        note="Active Directory holds a change to its history, and has one code for that and for its own password "
        "filters: people are told that it is either",
        windows=NOT,
        others=NOT,
    ),
    Behaviour(
        "A password that must be changed or has expired is changed with it, and is good again",
        (
            "whoever_must_change_the_password_does_and_need_not_again",
            "whose_password_has_expired_changes_it_and_it_is_good_again",
            "an_expired_password_that_is_wrong_changes_nothing",
            "an_expired_password_is_not_changed_to_one_too_short",
        ),
        others=NOT,
        note="Where the directory lets nobody in with it, the service account writes the new one, under the rules for a reset",
    ),
    Behaviour(
        "A locked or disabled account's password is not changed by whoever knows it",
        (
            "a_locked_account_stays_locked_whatever_password_is_given",
            "a_disabled_account_s_password_is_not_changed",
        ),
        others=NOT,
    ),
    Behaviour(
        "A lock after failed log-ins shows, and is lifted or left as the domain says",
        (
            "a_lock_after_failed_log_ins_shows",
            "a_new_password_lifts_a_lock_after_failed_log_ins",
            "a_locked_account_stays_locked_where_the_domain_says_so",
        ),
        others=NOT,
    ),
    Behaviour(
        "A disabled account shows, and is never written to",
        ("an_administrators_lock_shows_as_disabled", "an_administrators_lock_is_never_lifted"),
        others=NOT,
    ),
    Behaviour(
        "Must change is cleared, or kept as the domain says",
        ("a_pending_must_change_is_cleared", "a_pending_must_change_is_kept_where_the_domain_says_so"),
        others=NOT,
    ),
    Behaviour(
        "`check` tells whether the account may write a password, without a change",
        (
            "the_right_to_write_shows_without_a_change",
            "a_missing_right_to_write_shows",
            "a_password_we_may_not_write_is_told_as_our_fault",
            "rights_are_tried_on_somebody_where_nobody_is_named",
        ),
        note="lldap cannot tell; there the right shows with the first link",
    ),
    Behaviour(
        "`check` and `readyz` tell how the server and the groups are",
        (
            "a_directory_that_answers_is_well",
            "the_people_a_group_stands_for_are_counted",
            "a_group_that_is_not_there_has_no_size",
            "every_finding_tells_its_domain_and_the_state_of_each_server",
            "a_directory_that_was_asked_nothing_can_be_closed",
        ),
    ),
)
