//! The routes of drf-social-oauth2: converting, refreshing, revoking.
